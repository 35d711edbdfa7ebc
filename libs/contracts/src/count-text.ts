/** How many of something, for people: `1 file`, `1,973 files`, `2 copies`. */
export function countText(count: number, one: string, many = `${one}s`): string {
  return `${count.toLocaleString('en-GB')} ${count === 1 ? one : many}`;
}
