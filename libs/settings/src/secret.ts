import { inspect } from 'node:util';

/**
 * A value that must not be seen: printing, logging, inspecting or serialising it shows `[secret]`.
 * Only `reveal()` gives the text, so that every place that uses it can be found by that name.
 */
export class Secret {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  reveal(): string {
    return this.#text;
  }

  toString(): string {
    return '[secret]';
  }

  toJSON(): string {
    return '[secret]';
  }

  [inspect.custom](): string {
    return '[secret]';
  }
}
