/** Hands on no more than one word a second. */
export function everySecond<Told>(tell: (told: Told) => void): (told: Told) => void {
  let last = performance.now();
  return (told) => {
    if (performance.now() - last < 1_000) return;
    last = performance.now();
    tell(told);
  };
}
