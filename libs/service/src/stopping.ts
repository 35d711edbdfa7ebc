/** Tells every part of a process that it is about to stop: long answers end themselves, readiness turns to no. */
export class Stopping {
  readonly #controller = new AbortController();

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  begin(): void {
    // Named as whatever is cut off by a signal calls itself.
    this.#controller.abort(new DOMException('The service is stopping', 'AbortError'));
  }
}
