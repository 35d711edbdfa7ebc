/** Names in a sentence, a few at most: `a, b and 3 more`. */
export function someNames(names: readonly string[], most = 10): string {
  const others = names.length - most;
  return others > 0 ? `${names.slice(0, most).join(', ')} and ${others} more` : names.join(', ');
}

/** How many of something, for people: `1 file`, `1,973 files`, `2 copies`. */
export function countText(count: number, one: string, many = `${one}s`): string {
  return `${count.toLocaleString('en-GB')} ${count === 1 ? one : many}`;
}
