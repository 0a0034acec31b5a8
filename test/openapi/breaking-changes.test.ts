/** What breaks clients is told, each kind of it once; and what does not is passed over. */
import type { OpenApi } from "@viable/gateway";
import { describe, expect, test } from "vitest";
import { breakingChanges } from "./breaking-changes.ts";

/** A little description: one thing is asked for, and one is told. */
const before = {
  openapi: "3.1.1",
  info: {},
  paths: {
    "/things": {
      post: {
        operationId: "makeThing",
        parameters: [{ name: "limit", in: "query", schema: { type: "integer", maximum: 500 } }],
        requestBody: {
          required: true,
          content: { "application/json": { schema: { $ref: "#/components/schemas/Make" } } },
        },
        responses: {
          "200": {
            description: "It.",
            content: { "application/json": { schema: { $ref: "#/components/schemas/Thing" } } },
          },
          "404": { description: "None." },
        },
      },
      get: { operationId: "things", security: [], responses: { "200": { description: "Text." } } },
    },
  },
  components: {
    schemas: {
      Make: {
        type: "object",
        properties: { name: { type: "string", maxLength: 10 }, kind: { enum: ["a", "b"] }, size: { type: "number" } },
        required: ["name"],
        additionalProperties: false,
      },
      Thing: {
        type: "object",
        properties: {
          id: { type: "string" },
          status: { enum: ["on", "off"] },
          parts: { type: "array", items: { $ref: "#/components/schemas/Thing" } },
          value: {},
          outcome: {
            anyOf: [
              { type: "object", properties: { done: { const: true }, result: {} }, required: ["done", "result"] },
              { type: "object", properties: { done: { const: false }, error: { type: "string" } }, required: ["done"] },
            ],
          },
        },
        required: ["id", "status"],
      },
    },
  },
} as const;

// biome-ignore lint/suspicious/noExplicitAny: each test changes another part of it.
type Changed = any;
const changes = (change: (document: Changed) => void): string[] => {
  const after = structuredClone(before) as Changed;
  change(after);
  return breakingChanges(before as unknown as OpenApi, after);
};
const post = (document: Changed) => document.paths["/things"].post;
const make = (document: Changed) => document.components.schemas.Make;
const thing = (document: Changed) => document.components.schemas.Thing;

describe("breaks clients:", () => {
  test.each<[string, (document: Changed) => void, string]>([
    ["a path that is gone", (d) => delete d.paths["/things"], "GET /things is gone"],
    ["a method that is gone", (d) => delete d.paths["/things"].get, "GET /things is gone"],
    [
      "another name of an operation",
      (d) => Object.assign(post(d), { operationId: "x" }),
      "it was called makeThing and is called x",
    ],
    ["a token that is needed", (d) => delete d.paths["/things"].get.security, "it needed no token and needs one"],
    [
      "a parameter that is gone",
      (d) => Object.assign(post(d), { parameters: [] }),
      "the query parameter limit is gone",
    ],
    ["a parameter that is needed", (d) => Object.assign(post(d).parameters[0], { required: true }), "is needed now"],
    ["a parameter with a lower bound", (d) => Object.assign(post(d).parameters[0].schema, { maximum: 5 }), "maximum"],
    [
      "a body that is needed",
      (d) => Object.assign(d.paths["/things"].get, { requestBody: post(d).requestBody }),
      "a body is needed now",
    ],
    ["a member that is needed", (d) => make(d).required.push("size"), "body.size is needed now"],
    [
      "a new member that is needed",
      (d) => {
        make(d).properties.more = {};
        make(d).required.push("more");
      },
      "body.more is needed now",
    ],
    ["a member that is taken no more", (d) => delete make(d).properties.size, "body.size is gone"],
    ["a value that is taken no more", (d) => make(d).properties.kind.enum.pop(), 'body.kind: the value "b"'],
    [
      "a type that is taken no more",
      (d) => Object.assign(make(d).properties.size, { type: "integer" }),
      "body.size is of another type",
    ],
    ["a text that may be less long", (d) => Object.assign(make(d).properties.name, { maxLength: 9 }), "maxLength"],
    [
      "a text that must look otherwise",
      (d) => Object.assign(make(d).properties.name, { pattern: "^x" }),
      "another pattern",
    ],
    ["an answer that is gone", (d) => delete post(d).responses[200], "it is not answered 200 any more"],
    [
      "an answer that is new",
      (d) => Object.assign(post(d).responses, { 202: { description: "" } }),
      "it may be answered 202 now",
    ],
    [
      "another type of content",
      (d) => Object.assign(post(d).responses[200], { content: {} }),
      "200 is not application/json any more",
    ],
    ["a member that is told no more", (d) => delete thing(d).properties.value, "200.value is gone"],
    [
      "a member that may be missing",
      (d) => Object.assign(thing(d), { required: ["id"] }),
      "200.status may be missing now",
    ],
    [
      "a value that was never told",
      (d) => thing(d).properties.status.enum.push("broken"),
      '200.status: the value "broken"',
    ],
    [
      "another type of a member",
      (d) => Object.assign(thing(d).properties.id, { type: "number" }),
      "200.id is of another type",
    ],
    [
      "a member of an element that is another",
      (d) => Object.assign(thing(d).properties.parts, { items: { type: "string" } }),
      "200.parts[] is of another type",
    ],
    ["an option that is gone", (d) => thing(d).properties.outcome.anyOf.pop(), "200.outcome: an option is gone"],
    ["an option that was never told", (d) => thing(d).properties.outcome.anyOf.push({ type: "string" }), "200.outcome"],
    [
      "a member of an option that is gone",
      (d) => delete thing(d).properties.outcome.anyOf[1].properties.error,
      "200.outcome",
    ],
  ])("%s", (_what, change, told) => {
    expect(changes(change).join("\n")).toContain(told);
  });
});

describe("breaks nobody:", () => {
  test.each<[string, (document: Changed) => void]>([
    ["nothing", () => {}],
    ["a new path", (d) => Object.assign(d.paths, { "/more": d.paths["/things"] })],
    ["a new parameter", (d) => post(d).parameters.push({ name: "x", in: "query", schema: {} })],
    ["a parameter with a higher bound", (d) => Object.assign(post(d).parameters[0].schema, { maximum: 5_000 })],
    ["a new member of a body", (d) => Object.assign(make(d).properties, { more: { type: "string" } })],
    ["a member that is not needed any more", (d) => Object.assign(make(d), { required: [] })],
    ["a new value that is taken", (d) => make(d).properties.kind.enum.push("c")],
    ["a new member of an answer", (d) => Object.assign(thing(d).properties, { more: { type: "string" } })],
    ["a member that is always told now", (d) => thing(d).required.push("value")],
    [
      "a problem that is new, or gone",
      (d) => Object.assign(post(d).responses, { 404: undefined, 409: { description: "" } }),
    ],
    ["other texts", (d) => Object.assign(thing(d), { description: "More." })],
    [
      "another name of a schema",
      (d) => {
        d.components.schemas.Other = make(d);
        post(d).requestBody.content["application/json"].schema.$ref = "#/components/schemas/Other";
      },
    ],
    [
      "a body that may be another one, too",
      (d) => {
        post(d).requestBody.content["application/json"].schema = {
          oneOf: [{ $ref: "#/components/schemas/Make" }, { type: "string" }],
        };
      },
    ],
  ])("%s", (_what, change) => {
    expect(changes(change)).toEqual([]);
  });
});
