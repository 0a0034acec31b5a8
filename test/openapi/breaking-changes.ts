import type { OpenApi, Operation } from "@viable/gateway";

/** A part of a JSON Schema, or of a document. */
interface Part {
  readonly [member: string]: unknown;
}

type Direction = "request" | "answer";

/** Two schemas that are compared, with the documents that their references lead into. */
interface Pair {
  readonly before: unknown;
  readonly after: unknown;
}

/**
 * What a client that was written by one description meets by another and cannot know, a line each: what it calls and is not there, what it
 * sends and is refused, what it reads and is gone. Nothing where the other is as before, or has more. Texts and codes do not count.
 */
export function breakingChanges(before: OpenApi, after: OpenApi): string[] {
  return Object.entries(before.paths).flatMap(([path, operations]) =>
    Object.entries(operations).flatMap(([method, operation]) => {
      const title = `${method.toUpperCase()} ${path}`;
      const now = after.paths[path]?.[method];
      if (now === undefined) return [`${title} is gone`];
      return changesOf(operation, now, { before, after }).map((change) => `${title}: ${change}`);
    }),
  );
}

function changesOf(was: Operation, is: Operation, documents: { before: OpenApi; after: OpenApi }): string[] {
  const compare = (direction: Direction, at: string, pair: Pair) =>
    compareSchemas(direction, at, pair, documents, new Set());
  return [
    ...(was.operationId === is.operationId ? [] : [`it was called ${was.operationId} and is called ${is.operationId}`]),
    ...(isOpen(was) && !isOpen(is) ? ["it needed no token and needs one"] : []),
    ...compareParameters(was, is, compare),
    ...compareBodies(was, is, compare),
    ...compareAnswers(was, is, compare),
  ];
}

type Compare = (direction: Direction, at: string, pair: Pair) => string[];

const isOpen = ({ security }: Operation): boolean =>
  Array.isArray(security) && (security.length === 0 || security.some((each) => Object.keys(each).length === 0));

function compareParameters(was: Operation, is: Operation, compare: Compare): string[] {
  const keyOf = ({ in: place, name }: { in: string; name: string }) => `${place} parameter ${name}`;
  const known = new Map((was.parameters ?? []).map((each) => [keyOf(each), each]));
  const now = new Map((is.parameters ?? []).map((each) => [keyOf(each), each]));
  return [
    ...[...known].flatMap(([key, each]) => {
      const other = now.get(key);
      return other === undefined
        ? [`the ${key} is gone`]
        : compare("request", key, { before: each.schema, after: other.schema });
    }),
    ...[...now].flatMap(([key, { required }]) =>
      required === true && known.get(key)?.required !== true ? [`the ${key} is needed now`] : [],
    ),
  ];
}

function compareBodies(was: Operation, is: Operation, compare: Compare): string[] {
  if (was.requestBody === undefined) return is.requestBody?.required === true ? ["a body is needed now"] : [];
  if (is.requestBody === undefined) return ["no body is taken any more"];
  const { content } = is.requestBody;
  return Object.entries(was.requestBody.content).flatMap(([type, { schema }]) => {
    const now = content[type];
    return now === undefined
      ? [`${type} is taken no more`]
      : compare("request", "body", { before: schema, after: now.schema });
  });
}

function compareAnswers(was: Operation, is: Operation, compare: Compare): string[] {
  const isProblem = (status: string) => Number(status) >= 400;
  const added = Object.keys(is.responses).filter((status) => !isProblem(status) && was.responses[status] === undefined);
  return [
    ...added.map((status) => `it may be answered ${status} now`),
    ...Object.entries(was.responses).flatMap(([status, answer]) => {
      const now = is.responses[status];
      // That it fails in fewer ways is no harm.
      if (now === undefined) return isProblem(status) ? [] : [`it is not answered ${status} any more`];
      return Object.entries(answer.content ?? {}).flatMap(([type, { schema }]) => {
        const other = now.content?.[type];
        if (other === undefined) return [`${status} is not ${type} any more`];
        return compare("answer", String(status), { before: schema, after: other.schema });
      });
    }),
  ];
}

/** Keywords by which a value is bounded, and whether the higher number takes more. */
const bounds: Readonly<Record<string, boolean>> = {
  minimum: false,
  exclusiveMinimum: false,
  minLength: false,
  minItems: false,
  maximum: true,
  exclusiveMaximum: true,
  maxLength: true,
  maxItems: true,
};

function compareSchemas(
  direction: Direction,
  at: string,
  pair: Pair,
  documents: { before: OpenApi; after: OpenApi },
  seen: ReadonlySet<string>,
): string[] {
  const key = `${refOf(pair.before)} ${refOf(pair.after)}`;
  if (refOf(pair.before) !== undefined && seen.has(key)) return [];
  const more = new Set([...seen, key]);
  const was = resolve(documents.before, pair.before);
  const is = resolve(documents.after, pair.after);
  const inner = (where: string, before: unknown, after: unknown) =>
    compareSchemas(direction, where, { before, after }, documents, more);
  // Of what is sent, all that was taken must be taken; of what is answered, no more may come than did.
  const [less, most] = direction === "request" ? [was, is] : [is, was];
  if (isAnything(most)) return direction === "request" ? [] : membersGone(at, was, is, inner);
  if (optionsOf(was) !== undefined || optionsOf(is) !== undefined) return compareOptions(at, was, is, direction, inner);
  return [
    ...compareTypes(at, less, most),
    ...compareValues(at, less, most),
    ...Object.entries(bounds).flatMap(([keyword, isUpper]) => compareBounds(at, keyword, isUpper, less, most)),
    ...(direction === "request" && is.pattern !== undefined && is.pattern !== was.pattern
      ? [`${at} has another pattern`]
      : []),
    ...membersGone(at, was, is, inner),
    ...compareRequired(at, less, most, direction),
    ...(isPart(was.items) && isPart(is.items) ? inner(`${at}[]`, was.items, is.items) : []),
    ...(isPart(was.additionalProperties) && isPart(is.additionalProperties)
      ? inner(`${at}.*`, was.additionalProperties, is.additionalProperties)
      : []),
    ...(isPart(was.contentSchema) ? inner(`${at}.data`, was.contentSchema, is.contentSchema ?? {}) : []),
  ];
}

function membersGone(
  at: string,
  was: Part,
  is: Part,
  inner: (where: string, before: unknown, after: unknown) => string[],
): string[] {
  const members = (is.properties ?? {}) as Part;
  return Object.entries((was.properties ?? {}) as Part).flatMap(([name, before]) =>
    name in members ? inner(`${at}.${name}`, before, members[name]) : [`${at}.${name} is gone`],
  );
}

/** Whatever takes more must need no more: a member that is needed now, or one that was always told and may be missing now. */
function compareRequired(at: string, less: Part, most: Part, direction: Direction): string[] {
  const names = (part: Part) => (Array.isArray(part.required) ? (part.required as string[]) : []);
  const told = direction === "request" ? "is needed now" : "may be missing now";
  return names(most)
    .filter(
      (name) =>
        !names(less).includes(name) && !(direction === "answer" && !(name in ((less.properties ?? {}) as Part))),
    )
    .map((name) => `${at}.${name} ${told}`);
}

function compareTypes(at: string, less: Part, most: Part): string[] {
  const types = (part: Part): string[] | undefined =>
    part.type === undefined
      ? undefined
      : ([part.type].flat() as string[]).flatMap((type) => (type === "number" ? ["number", "integer"] : [type]));
  const allowed = types(most);
  if (allowed === undefined) return [];
  const given = types(less);
  return given?.every((type) => allowed.includes(type)) === true ? [] : [`${at} is of another type`];
}

function compareValues(at: string, less: Part, most: Part): string[] {
  const values = (part: Part): unknown[] | undefined =>
    "const" in part ? [part.const] : Array.isArray(part.enum) ? part.enum : undefined;
  const allowed = values(most);
  if (allowed === undefined) return [];
  const given = values(less);
  if (given === undefined) return [`${at} has fewer values, or more`];
  return given
    .filter((value) => !allowed.includes(value))
    .map((value) => `${at}: the value ${JSON.stringify(value)} has come or gone`);
}

/** Of what is answered a bound may go, and of what is sent none may come. */
function compareBounds(at: string, keyword: string, isUpper: boolean, less: Part, most: Part): string[] {
  const [given, allowed] = [less[keyword], most[keyword]];
  if (typeof allowed !== "number") return [];
  const fits = typeof given === "number" && (isUpper ? given <= allowed : given >= allowed);
  return fits ? [] : [`${at} is bounded otherwise by ${keyword}`];
}

/** One of several: what is sent as one of them must be taken as one, and what is answered must be one of those there were. */
function compareOptions(
  at: string,
  was: Part,
  is: Part,
  direction: Direction,
  inner: (where: string, before: unknown, after: unknown) => string[],
): string[] {
  const [before, after] = [optionsOf(was) ?? [was], optionsOf(is) ?? [is]];
  const [each, others] = direction === "request" ? [before, after] : [after, before];
  const compare = (one: unknown, other: unknown) =>
    direction === "request" ? inner(at, one, other) : inner(at, other, one);
  const lost = each.flatMap((one) => {
    // Most are what they were: the one of the same name is looked at first.
    const namesakes = others.filter((other) => nameOf(other) === nameOf(one));
    const all: string[][] = [];
    for (const other of [...namesakes, ...others]) {
      const changes = compare(one, other);
      if (changes.length === 0) return [];
      all.push(changes);
    }
    // What it has most in common with is what it has become.
    const nearest = (namesakes.length > 0 ? all[0] : all.sort((x, y) => x.length - y.length)[0]) ?? [];
    return namesakes.length > 0 || nearest.length < 3 ? nearest : [`${at}: an option has come or gone: ${nameOf(one)}`];
  });
  // Of what is answered an option may also not go: its members were read.
  const gone =
    direction === "request"
      ? []
      : before.flatMap((one) => {
          const found = after.some((other) => inner(at, one, other).length === 0);
          return found || lost.length > 0 ? [] : [`${at}: an option is gone: ${nameOf(one)}`];
        });
  return [...lost, ...gone];
}

const optionsOf = (part: Part): unknown[] | undefined => {
  const options = part.oneOf ?? part.anyOf;
  return Array.isArray(options) ? options : undefined;
};

const nameOf = (option: unknown): string => refOf(option)?.split("/").at(-1) ?? JSON.stringify(option).slice(0, 80);

const isPart = (value: unknown): value is Part => typeof value === "object" && value !== null;

/** A schema that holds for any value. */
const isAnything = (part: Part): boolean =>
  Object.keys(part).every((keyword) => ["description", "title", "default"].includes(keyword));

const refOf = (part: unknown): string | undefined =>
  isPart(part) && typeof part.$ref === "string" ? part.$ref : undefined;

function resolve(document: OpenApi, part: unknown): Part {
  const ref = refOf(part);
  if (ref === undefined) return isPart(part) ? part : {};
  const found = ref
    .slice(2)
    .split("/")
    .reduce<unknown>(
      (at, name) => (isPart(at) ? at[name.replaceAll("~1", "/").replaceAll("~0", "~")] : undefined),
      document,
    );
  return resolve(document, found ?? {});
}
