import type { Ordered } from "./dependency-order.ts";

export interface Task extends Ordered {
  /** In whatever unit; the schedule is in the same. */
  readonly duration: number;
}

export type Slot = { readonly id: string; readonly start: number; readonly end: number };

export interface Schedule {
  /** When the last task ends. */
  readonly makespan: number;
  /** No schedule is shorter: neither than the longest way of tasks that wait for each other, nor than all work shared evenly. */
  readonly lowerBound: number;
  /** The longest way; nothing on it can be done sooner by more workers. */
  readonly criticalPath: readonly string[];
  readonly criticalPathLength: number;
  readonly totalWork: number;
  /** By worker, in the order of time. */
  readonly timelines: readonly (readonly Slot[])[];
}

/**
 * Schedules tasks on equal workers by list scheduling: whenever a worker is free it gets, of the tasks that can be begun, the one with the
 * longest way still behind it; of equals the one that was named first. Never longer than twice the shortest (Graham 1969). Tasks must
 * have an order, which `findOrderProblems` tells.
 */
export function scheduleTasks(tasks: readonly Task[], workers: number): Schedule {
  const followers = new Map<string, Task[]>(tasks.map(({ id }) => [id, []]));
  for (const task of tasks) for (const id of new Set(task.after)) followers.get(id)?.push(task);
  const tails = measureTails(tasks, followers);
  const tailOf = (task: Task): number => tails.get(task.id) ?? 0;

  const waitsFor = new Map(tasks.map(({ id, after }) => [id, new Set(after).size]));
  // Once for all who comes before whom, so that the list is put in order again by comparing numbers.
  const ranked = tasks.map((task, index) => ({ task, index, tail: tailOf(task) }));
  ranked.sort((a, b) => b.tail - a.tail || a.index - b.index);
  const rank = new Map(ranked.map(({ task }, index) => [task.id, index]));
  const rankOf = (task: Task): number => rank.get(task.id) ?? 0;

  const ready = ranked.map((each) => each.task).filter(({ after }) => after.length === 0);
  const timelines: Slot[][] = Array.from({ length: workers }, () => []);
  const running: { readonly task: Task; readonly worker: number; readonly end: number }[] = [];
  const free = Array.from({ length: workers }, (_, worker) => worker);
  let now = 0;
  while (ready.length > 0 || running.length > 0) {
    for (const task of ready.splice(0, free.length)) {
      const worker = free.shift() as number;
      const end = now + task.duration;
      timelines[worker]?.push({ id: task.id, start: now, end });
      running.push({ task, worker, end });
    }
    now = Math.min(...running.map((each) => each.end));
    const wereReady = ready.length;
    for (const each of running.filter(({ end }) => end === now)) {
      running.splice(running.indexOf(each), 1);
      free.push(each.worker);
      for (const follower of followers.get(each.task.id) ?? []) {
        const left = (waitsFor.get(follower.id) ?? 0) - 1;
        waitsFor.set(follower.id, left);
        if (left === 0) ready.push(follower);
      }
    }
    if (ready.length > wereReady) ready.sort((a, b) => rankOf(a) - rankOf(b));
    free.sort((a, b) => a - b);
  }

  const criticalPath = followTails(tasks, followers, tailOf);
  const criticalPathLength = Math.max(0, ...tails.values());
  const totalWork = tasks.reduce((sum, each) => sum + each.duration, 0);
  const lowerBound = Math.max(criticalPathLength, totalWork / workers);
  return { makespan: now, lowerBound, criticalPath, criticalPathLength, totalWork, timelines };
}

/** How long it takes from the beginning of each task to the end of all that waits for it, with workers enough. */
function measureTails(tasks: readonly Task[], followers: ReadonlyMap<string, readonly Task[]>): Map<string, number> {
  const tails = new Map<string, number>();
  const byId = new Map(tasks.map((each) => [each.id, each]));
  const left = new Map(tasks.map(({ id }) => [id, followers.get(id)?.length ?? 0]));
  const waiting = tasks.filter(({ id }) => left.get(id) === 0);
  for (let task = waiting.pop(); task !== undefined; task = waiting.pop()) {
    const behind = (followers.get(task.id) ?? []).map((each) => tails.get(each.id) ?? 0);
    tails.set(task.id, task.duration + Math.max(0, ...behind));
    for (const id of new Set(task.after)) {
      const count = (left.get(id) ?? 0) - 1;
      left.set(id, count);
      const before = byId.get(id);
      if (count === 0 && before !== undefined) waiting.push(before);
    }
  }
  return tails;
}

function followTails(
  tasks: readonly Task[],
  followers: ReadonlyMap<string, readonly Task[]>,
  tailOf: (task: Task) => number,
): string[] {
  const longest = (among: readonly Task[]): Task | undefined =>
    among.reduce<Task | undefined>(
      (best, each) => (best === undefined || tailOf(each) > tailOf(best) ? each : best),
      undefined,
    );
  const path: string[] = [];
  for (let task = longest(tasks); task !== undefined; task = longest(followers.get(task.id) ?? [])) path.push(task.id);
  return path;
}
