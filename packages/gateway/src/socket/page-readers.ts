/** Lets at most so many read at once; others wait for their turn, in the order in which they came. */
export function createPageReaders(maxReaders: number) {
  let reading = 0;
  const waiting: (() => void)[] = [];
  return {
    async read<T>(act: () => Promise<T>): Promise<T> {
      if (reading >= maxReaders) await new Promise<void>((resolve) => waiting.push(resolve));
      else reading += 1;
      try {
        return await act();
      } finally {
        // The place is handed on: whoever comes now must not take it from whoever waits.
        const next = waiting.shift();
        if (next === undefined) reading -= 1;
        else next();
      }
    },
  };
}
export type PageReaders = ReturnType<typeof createPageReaders>;
