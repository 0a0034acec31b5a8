/** How long a condition may take to come about, in milliseconds: it takes some, where the machine is not busy. */
const patienceMs = 15_000;
/** Between two looks. */
const lookEveryMs = 5;

/** Waits for what another process or a socket brings about. */
export async function until(isDone: () => boolean | Promise<boolean>): Promise<void> {
  for (let waitedMs = 0; !(await isDone()); waitedMs += lookEveryMs) {
    if (waitedMs > patienceMs) throw new Error(`Not reached within ${patienceMs} ms.`);
    await new Promise((resolve) => setTimeout(resolve, lookEveryMs));
  }
}
