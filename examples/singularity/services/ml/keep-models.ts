/**
 * Models in the service's memory, in versions. A version is a label and the model itself. The label is written first, as
 * `writing`, which takes the number, and says `kept` once the model is there: a crash in between leaves a version that says of
 * itself that it is not whole, and the same execution begun again completes it.
 */
import type { AgentContext, Memory } from "viable";
import { ViableError } from "viable";
import type { Model, ModelError, ModelKind } from "./model.ts";

const labels = "model-labels";
const models = "models";

/** Of a model the latest versions are kept; older ones go when a new one comes. */
const maxVersions = 10;
/** A memory value holds a mebibyte; the largest forest has a fifth of it. */
const maxModelChars = 800_000;
/** Somebody else may have taken a number; so often in a row nobody is unlucky. */
const maxTries = 20;
/** Names that models are kept under: with ten versions each, as many labels as are listed at once. */
const maxModels = 100;
const maxLabels = maxModels * maxVersions;
/** Names told to somebody who asks for one that is not there. */
const maxNames = 20;

export type ModelLabel = {
  readonly name: string;
  readonly version: number;
  readonly kind: ModelKind;
  readonly method: string;
  readonly error: ModelError;
  readonly keptAt: string;
  readonly keptBy: string;
  readonly state: "writing" | "kept";
};

const keyOf = (name: string, version: number): string => `${name}@${String(version).padStart(8, "0")}`;

/** Keeps a model as the next version of its name. */
export async function keepModel(
  ctx: Pick<AgentContext, "memory" | "runtime" | "executionId" | "signal">,
  name: string,
  model: Model,
): Promise<ModelLabel> {
  const chars = JSON.stringify(model).length;
  if (chars > maxModelChars) {
    throw new ViableError("model.too_large", `"${name}" has ${chars} characters; ${maxModelChars} are kept at most.`, {
      next: "Give fewer features or classes.",
    });
  }
  const versions = await listVersions(ctx.memory, name);
  if (versions.length === 0) await refuseMore(ctx.memory);
  const label =
    versions.find((each) => each.keptBy === ctx.executionId) ?? (await takeNumber(ctx, name, model, versions));
  await ctx.memory.set(keyOf(name, label.version), model, { namespace: models });
  const kept: ModelLabel = { ...label, state: "kept" };
  await ctx.memory.set(keyOf(name, label.version), kept, { namespace: labels });
  // Begun again, it is among them already.
  const others = versions.filter((each) => each.version !== label.version);
  for (const { version } of others.slice(0, Math.max(0, others.length + 1 - maxVersions))) {
    await ctx.memory.delete(keyOf(name, version), models);
    await ctx.memory.delete(keyOf(name, version), labels);
  }
  return kept;
}

async function takeNumber(
  ctx: Pick<AgentContext, "memory" | "runtime" | "executionId" | "signal">,
  name: string,
  { kind, parameters, error }: Model,
  versions: readonly ModelLabel[],
): Promise<ModelLabel> {
  const first = (versions.at(-1)?.version ?? 0) + 1;
  for (let version = first; version < first + maxTries; version++) {
    ctx.signal.throwIfAborted();
    const label: ModelLabel = {
      name,
      version,
      kind,
      method: parameters.method,
      error,
      keptAt: new Date(ctx.runtime.clock.now()).toISOString(),
      keptBy: ctx.executionId,
      state: "writing",
    };
    if ((await ctx.memory.set(keyOf(name, version), label, { namespace: labels, expected: 0 })).ok) return label;
  }
  throw new ViableError("model.busy", `${maxTries} others kept "${name}" at the same moment.`, { retryable: true });
}

/** A kept model, the latest version unless told. Throws `model.not_found` with what there is. */
export async function readModel(
  memory: Memory,
  name: string,
  version?: number,
): Promise<{ readonly label: ModelLabel; readonly model: Model }> {
  const versions = (await listVersions(memory, name)).filter(({ state }) => state === "kept");
  const label = version === undefined ? versions.at(-1) : versions.find((each) => each.version === version);
  const entry = label === undefined ? undefined : await memory.get(keyOf(name, label.version), models);
  if (label === undefined || entry === undefined) throw await notFound(memory, name, version, versions);
  return { label, model: entry.value as unknown as Model };
}

async function notFound(
  memory: Memory,
  name: string,
  version: number | undefined,
  versions: readonly ModelLabel[],
): Promise<ViableError> {
  if (versions.length > 0) {
    return new ViableError("model.not_found", `No version ${version} of the model "${name}" is kept here.`, {
      next: `There are versions ${versions.map((each) => each.version).join(", ")}.`,
    });
  }
  const names = await listNames(memory);
  const more = names.length > maxNames ? ` and ${names.length - maxNames} more` : "";
  return new ViableError("model.not_found", `No model "${name}" is kept here.`, {
    next:
      names.length === 0
        ? "Train one first by model_training."
        : `There are ${names.slice(0, maxNames).join(", ")}${more}.`,
  });
}

/** Throws `model.too_many`. */
async function refuseMore(memory: Memory): Promise<void> {
  const names = await listNames(memory);
  if (names.length < maxModels) return;
  throw new ViableError("model.too_many", `Models are kept under ${names.length} names, and no more are.`, {
    next: "Keep this one as a version of a name that is there: viable memory list --service ml --namespace model-labels.",
  });
}

async function listNames(memory: Memory): Promise<string[]> {
  const all = (await memory.list(labels, { limit: maxLabels })).map((entry) => entry.value as unknown as ModelLabel);
  return [...new Set(all.filter(({ state }) => state === "kept").map((each) => each.name))];
}

/** Labels of a name, whole or not, oldest first. */
async function listVersions(memory: Memory, name: string): Promise<ModelLabel[]> {
  // More than there can be: those in the middle of being written come on top.
  const entries = await memory.list(labels, { prefix: `${name}@`, limit: maxVersions * 4 });
  return entries.map((entry) => entry.value as unknown as ModelLabel);
}

/** Refuses rows that a model cannot be applied to: `model.wrong_features`. */
export function checkFeatures({ features }: Model, rows: readonly (readonly number[])[]): void {
  const wrong = rows.findIndex((row) => row.length !== features.length);
  if (wrong === -1) return;
  throw new ViableError(
    "model.wrong_features",
    `Row ${wrong + 1} has ${rows[wrong]?.length} values; the model was trained on ${features.length}.`,
    { next: `A row is: ${features.join(", ")}.` },
  );
}
