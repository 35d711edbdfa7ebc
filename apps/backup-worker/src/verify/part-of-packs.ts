/** Part `n` of `of` parts of all packs, which together are the whole. */
export interface PartOfPacks {
  n: number;
  of: number;
}

const MOST_PARTS = 10_000;

/** A part that is at least so large a share, drawn so that another look takes another one. */
export function drawPart(share: number, random: () => number = Math.random): PartOfPacks {
  const of = Math.min(MOST_PARTS, Math.max(1, Math.floor(1 / share)));
  return { n: Math.floor(random() * of), of };
}

/** As rustic has it for `--read-data-subset=n/m`: by the first four bytes of the pack's id. */
export function isInPart(packId: string, { n, of }: PartOfPacks): boolean {
  return Buffer.from(packId.slice(0, 8), 'hex').readUInt32LE() % of === n;
}
