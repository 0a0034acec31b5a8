/** Lets what has the same key happen one after the other. A key is forgotten when nobody waits for it. */
export function createTurns() {
  const last = new Map<string, Promise<unknown>>();
  return {
    async take<T>(key: string, act: () => Promise<T>): Promise<T> {
      const before = last.get(key);
      const turn = before === undefined ? act() : before.then(act, act);
      last.set(key, turn);
      try {
        return await turn;
      } finally {
        if (last.get(key) === turn) last.delete(key);
      }
    },
  };
}
