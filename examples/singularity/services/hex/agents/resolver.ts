import { rootContext, sleep } from "@viable/kernel";
import type { AgentContext } from "viable";
import { agent, ViableError } from "viable";
import { z } from "zod";
import { byText } from "../../../source/by-text.ts";
import { cutList, type Truncated } from "../../../source/cut-list.ts";
import { packageName, versionRange } from "../package-schema.ts";
import { listLabels, type PackageLabel } from "../package-store.ts";
import { type Ask, type Conflict, type Resolution, resolveVersions } from "../resolve-versions.ts";

/** The highest versions of a package are looked at; a package that has more of them is one that nobody reads the history of. */
const maxVersions = 1_000;
/** Packages asked for at once. */
const maxWanted = 100;
const maxConflicts = 20;
/** Asks and versions named of one package: enough to see what to change. */
const maxNamed = 20;

/** Resolves ranges to versions: one of each package, the highest that does for all. */
export const resolver = agent({
  name: "resolver",
  capability: "package_registry.resolve",
  description:
    "Resolves ranges to one version of each package, with what they need, as a lock list; explains conflicts",
  input: z
    .strictObject({
      name: packageName.optional().describe("One package that is wanted"),
      range: versionRange.default("*").describe("In which range"),
      dependencies: z
        .record(packageName, versionRange)
        .refine((names) => Object.keys(names).length <= maxWanted, `names more than ${maxWanted} packages`)
        .default({})
        .describe('Packages that are wanted, as {"name": "range"}'),
    })
    .refine(({ name, dependencies }) => name !== undefined || Object.keys(dependencies).length > 0, {
      path: ["name"],
      message: "is missing; name a package, or several as dependencies",
    })
    .refine(({ name, dependencies }) => name === undefined || !Object.hasOwn(dependencies, name), {
      path: ["name"],
      message: "is among the dependencies too",
    }),
  risk: "low",
  async handle(ctx, { name, range, dependencies }) {
    const { default: semver } = await import("semver");
    const wanted = { ...dependencies, ...(name !== undefined && { [name]: range }) };
    for (const [each, asked] of Object.entries(wanted)) {
      if (semver.validRange(asked) !== null) continue;
      throw new ViableError("resolve.invalid", `"${asked}" (for ${each}) is no range of versions.`, {
        next: "Write it as ^1.2.3, ~1.2, >=1 <3, 1.x or 1.2.3.",
      });
    }
    const labels = new Map<string, PackageLabel[]>();
    const cut = new Set<string>();
    const truncated: Truncated = {};
    const { packages, conflicts } = await drive(
      ctx,
      resolveVersions(
        wanted,
        memoize((version, asked) => semver.satisfies(version, asked)),
      ),
      async (each) => {
        const all: PackageLabel[] = [];
        for await (const label of listLabels(ctx.memory, each)) all.push(label);
        all.sort((a, b) => semver.rcompare(a.version, b.version));
        const considered = cutList("versions", all, maxVersions, truncated);
        if (considered.length < all.length) cut.add(each);
        labels.set(each, considered);
        ctx.progress(50, `${labels.size} packages looked at`);
        return considered;
      },
    );
    return {
      resolved: conflicts.length === 0,
      packages: [...packages]
        .sort(([a], [b]) => byText(a, b))
        .map(([each, { candidate, asked }]) => {
          const label = labels.get(each)?.find(({ version }) => version === candidate.version) as PackageLabel;
          const { version, kind, integrity, dependencies: needs } = label;
          return { name: each, version, kind, integrity, dependencies: needs, asked: cutAsks(asked, truncated) };
        }),
      conflicts: cutList("conflicts", conflicts, maxConflicts, truncated).map((each) => explain(each, cut, truncated)),
      truncated,
    };
  },
});

/** Answers what the resolution asks for, and lets others have their turn where it says so. */
async function drive(
  ctx: AgentContext,
  resolution: ReturnType<typeof resolveVersions>,
  read: (name: string) => Promise<readonly PackageLabel[]>,
): Promise<Resolution> {
  const waiting = rootContext(ctx.runtime, { tenant: ctx.tenant, signal: ctx.signal });
  let step = resolution.next();
  while (!step.done) {
    ctx.signal.throwIfAborted();
    if (step.value === undefined) await sleep(waiting, 0);
    step = resolution.next(step.value === undefined ? [] : await read(step.value));
  }
  return step.value;
}

function explain({ name, asked, known }: Conflict, cut: ReadonlySet<string>, truncated: Truncated) {
  const which = cut.has(name) ? `None of the ${known.length} highest versions` : "No version";
  const who = asked.slice(0, maxNamed).map(({ by, range }) => `${by} asks for ${range}`);
  const reason =
    known.length === 0
      ? `${name} is not in the registry: ${who.join(", ")}.`
      : `${which} of ${name} does for all: ${who.join(", ")}.`;
  return {
    name,
    reason,
    asked: cutAsks(asked, truncated),
    versions: cutList(`${name} versions`, known, maxNamed, truncated),
  };
}

const cutAsks = (asked: readonly Ask[], truncated: Truncated): Ask[] => cutList("asked", asked, maxNamed, truncated);

function memoize(decide: (version: string, range: string) => boolean): (version: string, range: string) => boolean {
  const decided = new Map<string, boolean>();
  return (version, range) => {
    const key = `${version} ${range}`;
    const known = decided.get(key) ?? decide(version, range);
    decided.set(key, known);
    return known;
  };
}
