/** Tells every part of a process that it is about to stop: long answers end themselves, readiness turns to no. */
export class Stopping {
  readonly #controller = new AbortController();

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  begin(): void {
    this.#controller.abort(new Error('The service is stopping'));
  }
}
