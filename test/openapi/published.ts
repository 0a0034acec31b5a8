import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { OpenApi } from "@viable/gateway";
import { startTestSystem } from "@viable/testing";
import type { SystemDefinition } from "viable";

/** What the reference system's gateway has told its clients that it answers to. */
export const publishedFile = new URL("../published/openapi.json", import.meta.url);

export const readPublished = (): OpenApi => JSON.parse(readFileSync(publishedFile, "utf8"));

/** Loaded as the command line does it: by where it is. */
const config = join(import.meta.dirname, "..", "..", "examples", "singularity", "viable.config.ts");

/** What it tells now: asked as a client asks. */
export async function describeReference(): Promise<OpenApi> {
  const loaded = (await import(/* @vite-ignore */ pathToFileURL(config).href)) as {
    readonly default: SystemDefinition;
  };
  await using t = await startTestSystem(loaded.default);
  const headers = { authorization: `Bearer ${t.system.ownerToken}` };
  const request = new Request("http://test.invalid/openapi.json", { headers });
  const response = await t.settled(Promise.resolve(t.system.fetch(request)));
  return (await response.json()) as OpenApi;
}

/** As it is kept: without texts, which may be said better, and without what is told of problems and commands beside what is sent and answered. */
export function toContract(document: OpenApi): OpenApi {
  return strip(document, false) as OpenApi;
}

function strip(part: unknown, isMembers: boolean): unknown {
  if (Array.isArray(part)) return part.map((each) => strip(each, false));
  if (typeof part !== "object" || part === null) return part;
  const kept = Object.entries(part).filter(
    ([name]) => isMembers || (!["description", "summary", "info", "tags"].includes(name) && !name.startsWith("x-")),
  );
  // The names of members are whatever they are.
  return Object.fromEntries(
    kept.map(([name, value]) => [name, strip(value, ["properties", "schemas"].includes(name) && !isMembers)]),
  );
}
