import type { CommandDescriptor, QueryDescriptor } from "@viable/protocol";
import {
  askQuery,
  clientFrame,
  feedHeartbeatMs,
  problem,
  sendCommand,
  serverFrame,
  webhookMessage,
} from "@viable/protocol";
import { z } from "zod";
import type { Answer, Content, Route } from "./route.ts";
import type { Bodies, JsonSchema, Schemas } from "./schemas.ts";
import { createSchemas, refTo, toComponents } from "./schemas.ts";

/** What a tenant may ask for by name. */
export interface Offers {
  readonly commands: readonly CommandDescriptor[];
  readonly queries: readonly QueryDescriptor[];
}

/** An OpenAPI 3.1 document. */
export interface OpenApi {
  readonly openapi: string;
  readonly info: JsonSchema;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: JsonSchema & { readonly schemas: Readonly<Record<string, JsonSchema>> };
  readonly [member: string]: unknown;
}

export interface Operation {
  readonly operationId: string;
  readonly requestBody?: { readonly required: boolean; readonly content: Readonly<Record<string, MediaType>> };
  readonly parameters?: readonly Parameter[];
  readonly responses: Readonly<Record<string, Response>>;
  readonly [member: string]: unknown;
}
interface MediaType {
  readonly schema: JsonSchema;
}
interface Parameter {
  readonly name: string;
  readonly in: string;
  readonly required?: boolean;
  readonly schema: JsonSchema;
  readonly description?: string;
}
interface Response {
  readonly description: string;
  readonly content?: Readonly<Record<string, MediaType>>;
  readonly headers?: JsonSchema;
}

const about =
  `Every change is a command, sent to a session; the rest are reads. Errors are problems (RFC 9457): \`code\` is stable, the other texts are
for people. An answer may have more members than are told here: later releases add some, and take none away within a major version. Times are RFC 3339, ids are prefixed by their kind
(\`ses_\`, \`exe_\`, \`evt_\`, \`cap_\`, \`apr_\`, \`run_\`, \`exp_\`). Positions are opaque: hand back what was given. Any request may have a \`traceparent\` (W3C Trace Context); what comes of it then belongs to
that trace.`.replaceAll("\n", " ");

/** What each status of a problem says, in general. */
const problemTexts: Readonly<Record<number, string>> = {
  400: "The request cannot be read.",
  401: "There is no valid token.",
  403: "Denied, with the reasons.",
  404: "There is no such thing, or it is not the token's to see.",
  409: "As things stand it cannot be.",
  413: "The body is too large: a mebibyte at most.",
  415: "The body is packed: it is read as it is.",
  422: "The request does not fit.",
  426: "A WebSocket is opened here.",
  429: "A limit is met. `Retry-After` says when to come again.",
  500: "Something failed inside.",
  503: "It cannot be answered at present.",
  504: "It was not answered in time.",
};

/** Codes that any denial may have, by which link or policy it was. */
const deniedCodes = ["security.blocked", "security.denied", "security.expired"];

/**
 * Describes routes, and what may be asked for by name, as an OpenAPI 3.1 document. A pure function: the same routes and offers, the same
 * document, member by member in the same order. The bodies are the schemas that the gateway reads them with, and the client its answers.
 */
export function describeRoutes(
  routes: readonly Route[],
  { title, version, offers }: { readonly title: string; readonly version: string; readonly offers: Offers },
): OpenApi {
  const schemas = createSchemas(bodiesOf(routes));
  const paths: Record<string, Record<string, Operation>> = {};
  const named = describeOffers(schemas, offers);
  for (const route of routes.filter(({ isAsset }) => isAsset !== true)) {
    const path = toTemplate(route.path);
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: describeRoute(schemas, route, named.bodies) };
  }
  const frames = { client: schemas.ofRequest(clientFrame), server: schemas.ofAnswer(serverFrame) };
  const message = schemas.ofAnswer(webhookMessage);
  const problemRef = schemas.ofAnswer(problem);
  const all = { ...schemas.all(), ...named.schemas };
  return {
    openapi: "3.1.1",
    info: { title, version, description: about, license: { name: "Apache-2.0", identifier: "Apache-2.0" } },
    servers: [{ url: "/" }],
    security: [{ token: [] }],
    paths: Object.fromEntries(Object.entries(paths).sort(([a], [b]) => (a < b ? -1 : 1))),
    webhooks: { outcome: describeWebhook(message) },
    components: {
      securitySchemes: {
        token: { type: "http", scheme: "bearer", description: "A capability token, a session's, or a log-in's." },
      },
      responses: {
        Problem: { description: "A problem.", content: { "application/problem+json": { schema: problemRef } } },
      },
      schemas: Object.fromEntries(Object.entries(all).sort(([a], [b]) => (a < b ? -1 : 1))),
    },
    "x-viable-socket": { path: "/v1/socket", heartbeatMs: feedHeartbeatMs, frames },
  };
}

/** All bodies that a description tells of. */
function bodiesOf(routes: readonly Route[]): Bodies {
  const contents = routes.flatMap(({ answers }) =>
    Object.values(answers).flatMap(({ content }) => contentsOf(content)),
  );
  const answered = contents.flatMap(([, each]) => {
    if (each instanceof z.ZodType) return [each];
    return "data" in each && each.data !== undefined ? [each.data] : [];
  });
  return {
    requests: [...routes.flatMap(({ body }) => (body === undefined ? [] : [body])), clientFrame],
    answers: [...answered, serverFrame, webhookMessage, problem],
  };
}

const contentsOf = (content: Answer["content"]): [string, Content][] =>
  content === undefined
    ? []
    : Object.entries<Content>(content instanceof z.ZodType ? { "application/json": content } : content);

/** `/v1/sessions/:id` as `/v1/sessions/{id}`. */
const toTemplate = (path: string): string => path.replaceAll(/:([A-Za-z]+)/g, "{$1}");

function describeRoute(schemas: Schemas, route: Route, bodies: ReadonlyMap<z.ZodType, JsonSchema>): Operation {
  const { operation, summary, description, guard, body } = route;
  const schema = body && (bodies.get(body) ?? schemas.ofRequest(body));
  const parameters = describeParameters(route);
  return {
    operationId: operation,
    tags: [tagOf(route.path)],
    summary,
    ...(description !== undefined && { description }),
    ...(guard === "open" && { security: [] }),
    ...(guard === "local" && { security: [{}, { token: [] }] }),
    ...(parameters.length > 0 && { parameters }),
    ...(schema !== undefined && { requestBody: { required: true, content: { "application/json": { schema } } } }),
    responses: {
      ...Object.fromEntries(
        Object.entries(route.answers).map(([status, answer]) => [status, describeAnswer(schemas, answer)]),
      ),
      ...describeProblems(schemas, route),
    },
  };
}

/** The part of the interface that a route belongs to: the first word after the version. */
function tagOf(path: string): string {
  const [, first = "", second = ""] = path.split("/");
  return first === "v1" ? second : "system";
}

function describeParameters({ path, query = {}, isRepeatable, isFeed }: Route): Parameter[] {
  const parts = [...path.matchAll(/:([A-Za-z]+)/g)].map(
    ([, name = ""]): Parameter => ({
      name,
      in: "path",
      required: true,
      schema: { type: "string" },
    }),
  );
  const asked = Object.entries(query).map(
    ([name, { description, schema }]): Parameter => ({ name, in: "query", description, schema: { ...schema } }),
  );
  const headers: Parameter[] = [
    ...(isRepeatable === true
      ? [
          {
            name: "Idempotency-Key",
            in: "header",
            description:
              "A repeat under the same key is answered as the first was; with another body it is refused with 422.",
            schema: { type: "string", minLength: 1, maxLength: 200 },
          },
        ]
      : []),
    ...(isFeed === true
      ? [
          {
            name: "Last-Event-ID",
            in: "header",
            description:
              "As `after`, and before it: the `id` of the last event that was seen. Browsers send it by themselves.",
            schema: { type: "string" },
          },
        ]
      : []),
  ];
  return [...parts, ...asked, ...headers];
}

function describeAnswer(schemas: Schemas, { description, content, headers }: Answer): Response {
  const described = contentsOf(content).map(([type, each]) => [type, describeContent(schemas, each)]);
  return {
    description,
    ...(headers !== undefined && { headers: describeHeaders(headers) }),
    ...(described.length > 0 && { content: Object.fromEntries(described) }),
  };
}

const describeHeaders = (headers: Readonly<Record<string, string>>): JsonSchema =>
  Object.fromEntries(
    Object.entries(headers).map(([name, description]) => [name, { description, schema: { type: "string" } }]),
  );

function describeContent(schemas: Schemas, content: Content): MediaType {
  if (content instanceof z.ZodType) return { schema: schemas.ofAnswer(content) };
  if ("json" in content) return { schema: { type: "object", description: content.json } };
  const { text, data } = content;
  return {
    schema: {
      type: "string",
      description: text,
      ...(data !== undefined && { contentMediaType: "application/json", contentSchema: schemas.ofAnswer(data) }),
    },
  };
}

function describeProblems(schemas: Schemas, route: Route): Record<string, Response> {
  const codes = new Map<number, Set<string>>();
  const add = (status: number, ...more: readonly string[]) => {
    codes.set(status, new Set([...(codes.get(status) ?? []), ...more]));
  };
  if (route.guard !== "open") {
    add(401, "gateway.unauthenticated");
    add(403, ...deniedCodes);
  }
  if (route.path.includes(":")) add(404, "gateway.not_found");
  if (route.body !== undefined) {
    add(400, "gateway.malformed_body");
    add(413, "gateway.body_too_large");
    add(415, "gateway.unsupported_encoding");
  }
  if (route.isRepeatable === true) add(400, "gateway.invalid_idempotency_key");
  for (const [status, more] of Object.entries(route.problems ?? {})) add(Number(status), ...more);
  if (route.isFeed === true) {
    add(429, "gateway.too_many_feeds");
    add(503, "gateway.too_many_feeds");
  }
  add(500, "gateway.internal");
  add(503);
  const described = [...codes].sort(([a], [b]) => a - b);
  return Object.fromEntries(
    described
      .map(([status, set]) => [
        // Where health is answered with 503 it is an answer, and no problem.
        status,
        describeProblem(schemas, status, [...set].sort()),
      ])
      .filter(([status]) => route.answers[status as number] === undefined),
  );
}

function describeProblem(schemas: Schemas, status: number, codes: readonly string[]): Response {
  const list = codes.map((code) => `\`${code}\``).join(", ");
  return {
    description: `${problemTexts[status] ?? "A problem."}${list === "" ? "" : ` ${list}.`}`,
    ...(status === 401 && { headers: describeHeaders({ "www-authenticate": "`Bearer`." }) }),
    ...((status === 429 || status === 503) && {
      headers: describeHeaders({ "retry-after": "Seconds. Absent where nobody knows." }),
    }),
    content: { "application/problem+json": { schema: schemas.ofAnswer(problem) } },
    ...(codes.length > 0 && { "x-viable-codes": codes }),
  };
}

/** The bodies by which something is asked for by name: one schema for each name, told apart by it. */
function describeOffers(
  schemas: Schemas,
  { commands, queries }: Offers,
): { readonly bodies: ReadonlyMap<z.ZodType, JsonSchema>; readonly schemas: Readonly<Record<string, JsonSchema>> } {
  const all: Record<string, JsonSchema> = {};
  const bodies = new Map<z.ZodType, JsonSchema>();
  const describe = (body: z.ZodType, member: "command" | "query", offers: readonly (Offer & { name: string })[]) => {
    if (offers.length === 0) return;
    const base = schemas.resolve(schemas.ofRequest(body));
    const mapping: Record<string, string> = {};
    for (const { name, input, ...offer } of offers) {
      const args = `${member}.${name}.args`;
      const parts = toComponents(args, input as JsonSchema);
      Object.assign(all, parts);
      all[`${member}.${name}`] = {
        ...base,
        description: offer.description,
        properties: { ...(base.properties as object), [member]: { const: name }, args: refTo(args) },
        // Without arguments at all is as with none.
        required: [member, ...(hasRequired(parts[args]) ? ["args"] : [])],
        ...(offer.risk !== undefined && { "x-viable-risk": offer.risk }),
        "x-viable-services": offer.services,
        "x-viable-timeout-ms": offer.timeoutMs,
      };
      mapping[name] = `#/components/schemas/${member}.${name}`;
    }
    bodies.set(body, {
      oneOf: Object.keys(mapping).map((name) => refTo(`${member}.${name}`)),
      discriminator: { propertyName: member, mapping },
    });
  };
  describe(
    sendCommand,
    "command",
    commands.map(({ command, ...rest }) => ({ ...rest, name: command })),
  );
  describe(
    askQuery,
    "query",
    queries.map(({ query, ...rest }) => ({ ...rest, name: query })),
  );
  return { bodies, schemas: all };
}

interface Offer {
  readonly description: string;
  readonly services: readonly string[];
  readonly input: unknown;
  readonly timeoutMs: number;
  readonly risk?: string;
}

const hasRequired = (schema: JsonSchema | undefined): boolean =>
  Array.isArray(schema?.required) && schema.required.length > 0;

function describeWebhook(message: JsonSchema): JsonSchema {
  return {
    post: {
      summary:
        "What a receiver that a command named in `webhookUrl` is told: the outcome, or that a person is waited for",
      description:
        "By the Standard Webhooks specification, signed with the session's `webhookSecret`. The same message may come again, under the same `webhook-id`.",
      security: [],
      parameters: ["webhook-id", "webhook-timestamp", "webhook-signature"].map((name) => ({
        name,
        in: "header",
        required: true,
        schema: { type: "string" },
      })),
      requestBody: { required: true, content: { "application/json": { schema: message } } },
      responses: { "2XX": { description: "Taken. Anything else is tried again." } },
    },
  };
}
