/** How routes and what is asked for by name come to be a description. That it is OpenAPI, and true, is shown in `test/openapi` and `test/walk`. */
import { createSession, eventView, sendCommand, sessionView } from "@viable/protocol";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import type { Offers } from "./describe-routes.ts";
import { describeRoutes } from "./describe-routes.ts";
import { namesTag } from "./names-tag.ts";
import type { Route } from "./route.ts";

const none: Offers = { commands: [], queries: [] };
const route = (more: Partial<Route> = {}): Route => ({
  method: "GET",
  path: "/v1/things/:id",
  guard: "token",
  operation: "thing",
  summary: "One.",
  answers: { 200: { description: "It.", content: sessionView } },
  ...more,
});
const document = (routes: readonly Route[], offers = none) =>
  describeRoutes(routes, { title: "test", version: "1.2.3", offers });
const operation = (more: Partial<Route>) => document([route(more)]).paths["/v1/things/{id}"]?.get;

describe("a route", () => {
  test("is told with its parts, its guard, and the problems that follow from what it is", () => {
    expect(operation({})).toMatchObject({
      operationId: "thing",
      tags: ["things"],
      parameters: [{ name: "id", in: "path", required: true }],
    });
    expect(Object.keys(operation({})?.responses ?? {})).toEqual(["200", "401", "403", "404", "500", "503"]);
    const { post } =
      document([route({ method: "POST", body: createSession, isRepeatable: true })]).paths["/v1/things/{id}"] ?? {};
    expect(Object.keys(post?.responses ?? {})).toEqual(["200", "400", "401", "403", "404", "413", "415", "500", "503"]);
    expect(post?.parameters?.map(({ name }) => name)).toEqual(["id", "Idempotency-Key"]);
    expect(post?.requestBody?.content["application/json"]).toEqual({
      schema: { $ref: "#/components/schemas/CreateSession" },
    });
  });

  test("needs a token unless it says that it does not, or not from this machine", () => {
    expect(document([route()]).security).toEqual([{ token: [] }]);
    expect(operation({})?.security).toBeUndefined();
    expect(operation({ guard: "open" })).toMatchObject({ security: [] });
    expect(Object.keys(operation({ guard: "open" })?.responses ?? {})).not.toContain("401");
    expect(operation({ guard: "local" })).toMatchObject({ security: [{}, { token: [] }] });
  });

  test("that is a feed tells what each of its events is", () => {
    const content = { "text/event-stream": { text: "Events.", data: eventView } };
    const feed = operation({ isFeed: true, answers: { 200: { description: "A feed.", content } } });
    expect(feed?.responses[200]?.content?.["text/event-stream"]?.schema).toMatchObject({
      type: "string",
      contentSchema: { $ref: "#/components/schemas/EventView" },
    });
    expect(feed?.parameters?.map(({ name }) => name)).toContain("Last-Event-ID");
  });

  test("that is a part of a page is not told", () => {
    expect(document([route({ isAsset: true })]).paths).toEqual({});
  });

  test("whose schema the protocol has no name for is refused", () => {
    const answers = { 200: { description: "It.", content: z.object({ x: z.string() }) } };
    expect(() => operation({ answers })).toThrow(expect.objectContaining({ code: "gateway.unnamed_schema" }));
  });
});

describe("schemas", () => {
  const { schemas } = document([route(), route({ method: "POST", operation: "make", body: createSession })]).components;

  test("of what is sent are closed where the gateway refuses more, and those of answers are open", () => {
    expect(schemas.CreateSession).toMatchObject({ additionalProperties: false });
    expect(schemas.SessionView).not.toHaveProperty("additionalProperties");
  });

  test("hold any JSON for anything, and say nothing that is of the machine", () => {
    expect(schemas.ErrorOnTheWire).toMatchObject({
      properties: { cause: { $ref: "#/components/schemas/ErrorOnTheWire" } },
    });
    expect(JSON.stringify(schemas)).not.toMatch(/\$schema|\$id|__shared|9007199254740991/);
  });
});

describe("what is asked for by name", () => {
  const command = (name: string, input: unknown) => ({
    command: name,
    description: `Does ${name}.`,
    services: ["work"],
    risk: "low" as const,
    input: input as never,
    timeoutMs: 60_000,
    joinable: true,
    available: true,
  });
  const tree = z.object({
    name: z.string(),
    get parts() {
      return z.array(tree).optional();
    },
  });
  const commands = [
    command("plant", z.toJSONSchema(z.strictObject({ tree }))),
    command("rest", z.toJSONSchema(z.strictObject({ ms: z.number().optional() }))),
  ];
  const made = document([route({ method: "POST", body: sendCommand })], { ...none, commands });
  const body = made.paths["/v1/things/{id}"]?.post?.requestBody?.content["application/json"]?.schema;

  test("is one of several bodies, told apart by the name", () => {
    expect(body).toMatchObject({
      oneOf: [{ $ref: "#/components/schemas/command.plant" }, { $ref: "#/components/schemas/command.rest" }],
      discriminator: { propertyName: "command", mapping: { plant: "#/components/schemas/command.plant" } },
    });
    expect(made.components.schemas["command.plant"]).toMatchObject({
      properties: { command: { const: "plant" }, args: { $ref: "#/components/schemas/command.plant.args" }, mode: {} },
      required: ["command", "args"],
      additionalProperties: false,
    });
    expect(made.components.schemas["command.rest"]).toMatchObject({ required: ["command"] });
  });

  test("brings the definitions of its arguments, and every reference leads to one", () => {
    const text = JSON.stringify(made);
    const refs = [...text.matchAll(/"\$ref":"#\/components\/schemas\/([^"]+)"/g)].map(([, name]) => name as string);
    expect(refs.filter((name) => !(name in made.components.schemas))).toEqual([]);
    expect(text).not.toContain("#/$defs/");
    expect(refs.some((name) => name.startsWith("command.plant.args."))).toBe(true);
  });
});

test.each([
  [undefined, false],
  ["*", true],
  ['"a"', true],
  ['W/"a"', true],
  ['"b", W/"a"', true],
  ['"b"', false],
])("a condition of %s holds for the tag a: %s", (condition, holds) => {
  expect(namesTag(condition, '"a"')).toBe(holds);
  expect(namesTag(condition, 'W/"a"')).toBe(holds);
});
