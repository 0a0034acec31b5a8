import type { JsonValue } from "@viable/kernel";
import type { CommandDescriptor } from "@viable/protocol";
import {
  clientFrame,
  confirmation,
  createKey,
  createSession,
  joinSession,
  logIn,
  mintCapability,
  requestCoordination,
  requestExport,
  sendCommand,
  setCredential,
  setPassword,
  shareSession,
  suspendSession,
} from "@viable/protocol";
import fc from "fast-check";
import { z } from "zod";
import type { JsonSchema } from "./json-arbitrary.ts";
import { anyJson, fittingJson, nastyTexts, spoiltJson, writtenJson } from "./json-arbitrary.ts";

/** Whose token a request shows. */
export type Bearer = "nobody" | "nonsense" | "owner" | "session" | "narrow" | "otherOwner" | "otherSession";

/** What is sent. In texts `<session>` and such stand for ids of the bearer's own world, or of the other's. */
export type FuzzInput =
  | {
      readonly kind: "http";
      readonly bearer: Bearer;
      readonly method: string;
      readonly path: string;
      readonly headers: Readonly<Record<string, string>>;
      readonly body: string | undefined;
    }
  | { readonly kind: "frame"; readonly bearer: Bearer; readonly text: string }
  | { readonly kind: "raw"; readonly bytes: Uint8Array };

/** Ids that stand for things that are there. */
export const places = [
  "<session>",
  "<otherSession>",
  "<execution>",
  "<otherExecution>",
  "<capability>",
  "<run>",
  "<export>",
  "<coordination>",
  "<position>",
] as const;

export interface Entrances {
  readonly routes: readonly { readonly method: string; readonly path: string }[];
  readonly commands: readonly CommandDescriptor[];
}

const schemaOf = (shape: z.ZodType): JsonSchema =>
  z.toJSONSchema(shape, { io: "input", unrepresentable: "any" }) as JsonSchema;

/** What each route takes; a route that is not here takes nothing. */
const bodies: Readonly<Record<string, JsonSchema>> = {
  "POST /v1/sessions": schemaOf(createSession),
  "POST /v1/sessions/join": schemaOf(joinSession),
  "PUT /v1/sessions/:id/suspension": schemaOf(suspendSession),
  "POST /v1/sessions/:id/shares": schemaOf(shareSession),
  "POST /v1/sessions/:id/coordinations": schemaOf(requestCoordination),
  "POST /v1/coordinations/:id/confirmations": schemaOf(confirmation),
  "POST /v1/sessions/:id/exports": schemaOf(requestExport),
  "POST /v1/capabilities": schemaOf(mintCapability),
  "POST /v1/login": schemaOf(logIn),
  "POST /v1/users/:user/keys": schemaOf(createKey),
  "POST /v1/users/:user/password": schemaOf(setPassword),
  "PUT /v1/credentials/:provider": schemaOf(setCredential),
};
/** Their arguments are those of the commands and queries that there are. */
const asked = ["POST /v1/sessions/:id/commands", "POST /v1/sessions/:id/queries"];
const withoutBody = ["POST /v1/login/renew", "POST /v1/users/:user/invitations"];

/** Routes that take a body which nobody has said here; there must be none. */
export const unknownBodies = ({ routes }: Entrances): string[] =>
  routes
    .filter(({ method }) => method === "POST" || method === "PUT")
    .map(({ method, path }) => `${method} ${path}`)
    .filter((route) => !(route in bodies) && !asked.includes(route) && !withoutBody.includes(route));

/** Mostly as it should be, often with something wrong in it, sometimes nothing of the kind. */
const nearly = (fitting: fc.Arbitrary<JsonValue>): fc.Arbitrary<JsonValue> =>
  fc.oneof(
    { weight: 4, arbitrary: fitting },
    { weight: 5, arbitrary: fitting.chain(spoiltJson) },
    { weight: 1, arbitrary: anyJson },
  );

function commandArbitrary({ commands }: Entrances): fc.Arbitrary<JsonValue> {
  const settings = schemaOf(sendCommand.omit({ command: true, args: true }));
  return fc
    .constantFrom(...commands)
    .chain((command) =>
      fc
        .tuple(nearly(fittingJson(command.input as JsonSchema)), fittingJson(settings))
        .map(([args, rest]): JsonValue => ({ ...(rest as object), command: command.command, args })),
    );
}

const queryArbitrary: fc.Arbitrary<JsonValue> = fc
  .tuple(
    fc.constantFrom("double", "duoble", "__proto__", ""),
    nearly(fittingJson({ type: "object", properties: { n: { type: "number" } } })),
  )
  .map(([query, args]): JsonValue => ({ query, args }));

const segment = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom<string>(...places) },
  { weight: 1, arbitrary: fc.constantFrom(...nastyTexts.map(encode)) },
  { weight: 1, arbitrary: fc.string({ unit: "binary", maxLength: 20 }).map(encode) },
  { weight: 1, arbitrary: fc.constantFrom("work", "anna", "default", "..%2f", "%E0%A4%A", "%ff", "*", "ses_0") },
);

/** As bytes of UTF-8, each written out; of what is no text, what the platform makes of it. */
function encode(text: string): string {
  return Buffer.from(text)
    .toString("latin1")
    .replace(/[^A-Za-z0-9._~-]/g, (char) => `%${char.charCodeAt(0).toString(16).padStart(2, "0")}`);
}

const queryNames = [
  "after",
  "before",
  "limit",
  "type",
  "session",
  "capability",
  "version",
  "tenant",
  "subsystem",
  "tag",
  "key",
  "prefix",
  "service",
  "namespace",
  "reactor",
  "status",
  "graph",
  "from",
] as const;
const queryString = fc
  .array(
    fc.tuple(
      fc.oneof(
        { weight: 9, arbitrary: fc.constantFrom<string>(...queryNames) },
        { weight: 1, arbitrary: fc.constantFrom(...nastyTexts.map(encode)) },
      ),
      fc.oneof(
        fc.constantFrom<string>(...places),
        fc.constantFrom(
          "1",
          "-1",
          "0",
          "1e9",
          "NaN",
          "99999999999999999999",
          "echo",
          "asking",
          "waiting",
          "other",
          "default",
          "mermaid",
        ),
        fc.constantFrom(...nastyTexts.map(encode)),
      ),
    ),
    { maxLength: 3 },
  )
  .map((pairs) => (pairs.length === 0 ? "" : `?${pairs.map(([name, value]) => `${name}=${value}`).join("&")}`));

const headerValue = fc.oneof(
  fc.constantFrom<string>(...places),
  fc.string({ maxLength: 30 }),
  fc.constantFrom(
    "a".repeat(300),
    "text/event-stream",
    "application/cloudevents-batch+json",
    "*/*;q=abc",
    "00-0-0-0",
    "127.0.0.1",
  ),
);
const headers = fc.dictionary(
  fc.constantFrom(
    "accept",
    "last-event-id",
    "traceparent",
    "idempotency-key",
    "content-type",
    "x-forwarded-for",
    "content-encoding",
    "origin",
    "range",
  ),
  headerValue,
  { maxKeys: 2 },
);

/** One input for one of the entrances: routes, frames, commands by either, and bytes. */
export function inputArbitrary(entrances: Entrances): fc.Arbitrary<FuzzInput> {
  // At the door less is found than behind it.
  const bearer = fc.oneof(
    { weight: 1, arbitrary: fc.constantFrom<Bearer>("nobody", "nonsense") },
    { weight: 6, arbitrary: fc.constantFrom<Bearer>("owner", "session", "narrow", "otherOwner", "otherSession") },
  );
  const command = commandArbitrary(entrances);
  const bodyFor = (route: string): fc.Arbitrary<string | undefined> => {
    if (route.endsWith("/commands")) return nearly(command).chain(writtenJson);
    if (route.endsWith("/queries")) return nearly(queryArbitrary).chain(writtenJson);
    const schema = bodies[route];
    if (schema !== undefined) return nearly(fittingJson(schema)).chain(writtenJson);
    return fc.option(fc.string({ maxLength: 20 }), { nil: undefined, freq: 10 });
  };
  const taking = entrances.routes.filter(({ method }) => method !== "GET");
  const telling = entrances.routes.filter(({ path }) => path.endsWith("/commands"));
  const route = fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom(...entrances.routes) },
    { weight: 3, arbitrary: fc.constantFrom(...taking) },
    { weight: 2, arbitrary: fc.constantFrom(...telling) },
  );
  const http = route.chain(({ method, path }) =>
    fc
      .record({
        bearer,
        segments: fc.array(segment, { minLength: 3, maxLength: 3 }),
        query: queryString,
        headers,
        body: bodyFor(`${method} ${path}`),
        method: fc.oneof(
          { weight: 19, arbitrary: fc.constant(method) },
          { weight: 1, arbitrary: fc.constantFrom("PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "POST", "GET") },
        ),
      })
      .map(({ segments, query, ...rest }): FuzzInput => {
        let n = 0;
        const filled = path.replace(/:[a-zA-Z]+/g, (name) =>
          // What ends a session would end the run's own.
          path === "/v1/sessions/:id" && rest.method === "DELETE"
            ? "ses_0"
            : ownPlace(path, name, segments[n++] as string),
        );
        return { kind: "http", ...rest, path: filled + query };
      }),
  );
  const frames = clientFrame.options.map((option) => fittingJson(schemaOf(option)));
  const frame = fc
    .record({
      bearer: fc.constantFrom<Bearer>("owner", "session", "narrow", "otherOwner", "otherSession"),
      text: fc
        .oneof(
          nearly(fc.oneof(...frames)),
          fc.tuple(command, fc.constantFrom<string>(...places)).map(
            ([sent, sessionId]): JsonValue => ({
              ...(sent as object),
              type: "command",
              id: "f",
              sessionId,
            }),
          ),
          fc
            .tuple(
              fc.constantFrom("join", "leave", "cancel", "confirm", "ack"),
              fc.constantFrom<string>(...places),
              fc.constantFrom<string>(...places),
            )
            .chain(([type, one, other]) =>
              nearly(
                fc.constant<JsonValue>({
                  type,
                  ...(type !== "ack" && { id: "f" }),
                  ...(type === "cancel"
                    ? { executionId: one }
                    : type === "confirm"
                      ? { coordinationId: one, decision: "yes" }
                      : { sessionId: one }),
                  ...(type === "ack" && { position: other }),
                  ...(type === "join" && { after: other }),
                }),
              ),
            ),
        )
        .chain(writtenJson),
    })
    .map((each): FuzzInput => ({ kind: "frame", ...each }));
  const rawLine = fc.constantFrom(
    "GET /v1/sessions HTTP/1.1\r\nHost: x\r\n\r\n",
    "POST /v1/login HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}",
    "POST /v1/sessions/join HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "GET /v1/socket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: viable.v1, bearer.x\r\n\r\n",
  );
  const raw = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc
      .tuple(rawLine, fc.array(fc.tuple(fc.nat({ max: 300 }), fc.integer({ min: 0, max: 255 })), { maxLength: 6 }))
      .map(([line, changes]) => {
        const bytes = Buffer.from(line, "latin1");
        for (const [at, byte] of changes) bytes[at % bytes.length] = byte;
        return bytes;
      }),
  );
  return fc.oneof(
    { weight: 80, arbitrary: http },
    { weight: 17, arbitrary: frame },
    { weight: 3, arbitrary: raw.map((bytes): FuzzInput => ({ kind: "raw", bytes })) },
  );
}

/** Most ids that are somebody's are of the kind that the route is for. */
function ownPlace(path: string, name: string, drawn: string): string {
  if (!drawn.startsWith("<") || drawn.startsWith("<other")) return drawn;
  if (name === ":service") return "work";
  if (name === ":user") return "anna";
  if (path.startsWith("/v1/executions")) return "<execution>";
  if (path.startsWith("/v1/capabilities")) return "<capability>";
  if (path.startsWith("/v1/reactors")) return "<run>";
  if (path.startsWith("/v1/exports")) return "<export>";
  if (path.startsWith("/v1/coordinations")) return "<coordination>";
  return "<session>";
}
