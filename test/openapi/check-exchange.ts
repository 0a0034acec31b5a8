import type { OpenApi, Operation } from "@viable/gateway";
import type { ValidateFunction } from "ajv/dist/2020.js";
import { Ajv2020 } from "ajv/dist/2020.js";

/** A request and what it was answered with, as far as a description tells of them. */
export interface Exchange {
  readonly method: string;
  /** With its query. */
  readonly url: string;
  readonly request?: unknown;
  readonly status: number;
  readonly headers: Headers;
  /** Of JSON; undefined of anything else. */
  readonly answer?: unknown;
}

/** Tells what a description does not know of an exchange, or knows otherwise: nothing where it tells the truth. */
export type ExchangeCheck = (exchange: Exchange) => string[];

/** An operation, its place, and what tells its paths. */
interface Place {
  readonly path: string;
  readonly method: string;
  readonly operation: Operation;
}

const escapePointer = (text: string) => text.replaceAll("~", "~0").replaceAll("/", "~1");

/** The operation that a request is for; of two that fit, the one with fewer names in its path. */
export function findOperation(document: OpenApi, method: string, pathname: string): Place | undefined {
  const places = Object.entries(document.paths).flatMap(([path, operations]) => {
    const operation = operations[method.toLowerCase()];
    const pattern = new RegExp(`^${path.replaceAll(".", "\\.").replaceAll(/\{[A-Za-z]+\}/g, "[^/]+")}$`);
    return operation !== undefined && pattern.test(pathname) ? [{ path, method: method.toLowerCase(), operation }] : [];
  });
  const names = ({ path }: Place) => path.split("{").length;
  return places.sort((a, b) => names(a) - names(b))[0];
}

/**
 * Holds exchanges to a description. Answers are held to it more strictly than readers should: a member that it does not tell is a complaint.
 */
export function createExchangeCheck(document: OpenApi): ExchangeCheck {
  const ajv = new Ajv2020({ strict: false, allErrors: true, validateFormats: false });
  ajv.addSchema({ ...(closeAnswers(document) as object), $id: "description" });
  const compiled = new Map<string, ValidateFunction>();
  const whyNot = (place: Place, inside: readonly string[], value: unknown): string[] => {
    const pointer = ["paths", place.path, place.method, ...inside, "schema"].map(escapePointer).join("/");
    const known = compiled.get(pointer) ?? ajv.compile({ $ref: `description#/${encodeURI(pointer)}` });
    compiled.set(pointer, known);
    if (known(value)) return [];
    const [error] = known.errors ?? [];
    return [`${error?.instancePath || "the whole"} ${error?.message} ${JSON.stringify(error?.params)}`];
  };

  return ({ method, url, request, status, headers, answer }) => {
    const { pathname, searchParams } = new URL(url);
    const place = findOperation(document, method, pathname);
    const type = headers.get("content-type");
    const title = `${method} ${pathname} answered ${status}`;
    if (place === undefined) {
      // Whatever is nowhere is told so, and nothing else is.
      const isNoRoute = status === 404 && (answer as { code?: string } | undefined)?.code === "gateway.no_route";
      return isNoRoute || pathname.startsWith("/docs/") ? [] : [`${title}: the description knows no such operation.`];
    }
    const described = place.operation.responses[status];
    if (described === undefined) return [`${title}: the description knows no such status. ${JSON.stringify(answer)}`];
    const complaints: string[] = [];
    const types = Object.keys(described.content ?? {});
    const known = types.find((each) => each === type) ?? types.find((each) => each === type?.split(";")[0]);
    if (type !== null && known === undefined) complaints.push(`it is ${type}, which is none of ${types.join(", ")}`);
    if (answer !== undefined && known !== undefined)
      complaints.push(...whyNot(place, ["responses", String(status), "content", known], answer));
    if (type === "application/problem+json") complaints.push(...unknownCode(described, answer, status));
    const isTaken = status < 300;
    if (isTaken) {
      const asked = (place.operation.parameters ?? []).filter((each) => each.in === "query").map(({ name }) => name);
      for (const name of searchParams.keys()) if (!asked.includes(name)) complaints.push(`?${name} is not described`);
      const body = place.operation.requestBody;
      if (request !== undefined && body === undefined) complaints.push("a body is taken that is not described");
      if (request !== undefined && body !== undefined)
        complaints.push(
          ...whyNot(place, ["requestBody", "content", "application/json"], request).map((why) => `the body: ${why}`),
        );
    }
    return complaints.map((complaint) => `${title}: ${complaint}`);
  };
}

/** A code that the description does not name, where it names those that there are: what fails inside may have any. */
function unknownCode(described: object, answer: unknown, status: number): string[] {
  const { "x-viable-codes": codes } = described as { "x-viable-codes"?: readonly string[] };
  const { code } = answer as { code: string };
  return status >= 500 || codes?.includes(code) === true ? [] : [`${code} is not among ${codes?.join(", ")}`];
}

/** The description with all objects that it tells the members of closed, as answers are told today. */
function closeAnswers(part: unknown): unknown {
  if (Array.isArray(part)) return part.map(closeAnswers);
  if (typeof part !== "object" || part === null) return part;
  const closed = Object.fromEntries(Object.entries(part).map(([key, value]) => [key, closeAnswers(value)]));
  return closed.type === "object" && "properties" in closed && !("additionalProperties" in closed)
    ? { ...closed, additionalProperties: false }
    : closed;
}
