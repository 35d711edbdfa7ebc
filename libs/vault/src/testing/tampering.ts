import { VaultError } from '../index.js';

/** The text with each of its characters in turn replaced by others, or left out. */
export function changesOf(text: string): readonly string[] {
  return [...text].flatMap((character, i) =>
    ['A', 'B', 'a', '0', '-', '_', ':', '=', ' ', '']
      .filter((other) => other !== character)
      .map((other) => text.slice(0, i) + other + text.slice(i + 1)),
  );
}

/** False when the vault refuses to open something. */
export function opens(attempt: () => unknown): boolean {
  try {
    attempt();
    return true;
  } catch (error) {
    if (error instanceof VaultError) return false;
    throw error;
  }
}
