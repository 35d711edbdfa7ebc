/** Does the work for each item, at most `limit` at once, and gives the results in the items' order. The first failure ends it. */
export async function inParallel<T, R>(
  items: readonly T[],
  limit: number,
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const results = new Array<R>(items.length);
  await forEachInParallel(items.entries(), Math.min(limit, items.length), async ([index, item]) => {
    results[index] = await work(item);
  });
  return results;
}

/**
 * Does the work for each item as it comes, at most `limit` at once; keeps none of them. The first failure ends it: nothing
 * more is begun, and it is thrown once what is under way has ended.
 */
export async function forEachInParallel<T>(
  items: Iterable<T> | AsyncIterable<T>,
  limit: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const source = Symbol.asyncIterator in items ? items[Symbol.asyncIterator]() : items[Symbol.iterator]();
  let failure: { error: unknown } | undefined;
  const worker = async (): Promise<void> => {
    try {
      for (let next = await source.next(); next.done !== true; next = await source.next()) {
        if (failure !== undefined) return;
        await work(next.value);
      }
    } catch (error) {
      failure ??= { error };
    }
  };
  try {
    await Promise.all(Array.from({ length: limit }, worker));
  } finally {
    await source.return?.();
  }
  // It is assigned by the workers.
  const first = failure as { error: unknown } | undefined;
  if (first !== undefined) throw first.error;
}
