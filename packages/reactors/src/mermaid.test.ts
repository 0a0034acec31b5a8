// What is drawn is Mermaid, held to a small grammar that knows the lines we write: each line has one of their forms, names are declared once
// and before an arrow names them, frames close, and no arrow leads from a frame to what is inside of it. For definitions at random with
// words made to break it: every step is there once with its shape and words in its frame, with as many arrows as it has sources.
import type { JsonValue } from "@viable/kernel";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import type { Argument } from "./argument.ts";
import { sourcesOf } from "./argument.ts";
import type { NodeDefinition, ReactorDefinition, ScopeDefinition } from "./definition.ts";
import { scopesOf } from "./definition.ts";
import { hashOf } from "./definition-hash.ts";
import { toMermaid } from "./mermaid.ts";
import { planOf } from "./plan.ts";
import { reactor } from "./reactor.ts";

interface Drawn {
  /** Shapes and frames, by id. */
  readonly shapes: Map<
    string,
    { readonly shape: string; readonly words: readonly string[]; readonly frames: readonly string[] }
  >;
  readonly arrows: {
    readonly from: string;
    readonly to: string;
    readonly dotted: boolean;
    readonly label: string | undefined;
  }[];
}

const id = "s_[a-zA-Z0-9_]*";
const label = String.raw`"((?:<br>|#\d+;|[a-zA-Z0-9 ,(!?'/._)-]|[^\u0000-\u007f])+)"`;
const brackets = [
  ...[`["`, `"]`, `[["`, `"]]`, `(["`, `"])`, `>"`, `"]`, `{{"`, `"}}`, `[/"`, `"\\]`, `[/"`, `"/]`],
  ...[`{"`, `"}`, `(("`, `"))`, `((("`, `")))`],
];
const shapeForms = brackets.flatMap((open, at) => {
  if (at % 2 === 1) return [];
  const close = brackets[at + 1] as string;
  const [begin, end] = [open, close].map((each) => each.replace('"', "").replace(/[[\](){}\\/]/g, "\\$&"));
  return [
    { shape: open.replace('"', "") + close.replace('"', ""), form: new RegExp(`^(${id})${begin}${label}${end}$`) },
  ];
});
const frameForm = new RegExp(`^subgraph (${id})\\[${label}\\]$`);
const arrowForm = new RegExp(`^(${id}) (-->|-\\.->)(?:\\|${label}\\|)? (${id})$`);

/** As Mermaid shows it: signs that stand there as their numbers, and without what nobody sees. */
const shown = (text: string) => {
  const signs = text.replace(/#(\d+);/g, (_all, code) => String.fromCharCode(Number(code)));
  // After that Mermaid looks for icons, and for the marks that it had put there itself.
  expect(signs).not.toMatch(/fa[bklrs]?:fa-|ﬂ°|¶ß/);
  return signs.replaceAll("\u2060", "");
};

function read(text: string): Drawn {
  const [first, about, ...lines] = text.split("\n");
  expect(first).toBe("flowchart TD");
  expect(about).toMatch(/^ {2}%% reactor [a-zA-Z0-9_-]+, version \d+, [0-9a-f]{16}$/);
  expect(lines.pop()).toBe("");
  const drawn: Drawn = { shapes: new Map(), arrows: [] };
  const frames: string[] = [];
  const declare = (name: string, shape: string, words: string) => {
    expect(drawn.shapes.has(name), `${name} is declared once`).toBe(false);
    drawn.shapes.set(name, { shape, words: words.split("<br>").map(shown), frames: [...frames] });
  };
  for (const line of lines) {
    expect(line.startsWith("  ".repeat(frames.length + 1)) || line.trim() === "end", `${line} is indented`).toBe(true);
    const said = line.trim();
    const shape = shapeForms
      .map(({ shape, form }) => ({ shape, match: form.exec(said) }))
      .find(({ match }) => match !== null);
    const frame = frameForm.exec(said);
    const arrow = arrowForm.exec(said);
    if (said === "end") expect(frames.pop(), "a frame is open").toBeDefined();
    else if (shape?.match) declare(shape.match[1] as string, shape.shape, shape.match[2] as string);
    else if (frame) {
      declare(frame[1] as string, "subgraph", frame[2] as string);
      frames.push(frame[1] as string);
    } else if (arrow) {
      const [, from = "", kind, words, to = ""] = arrow;
      const [begins, ends] = [from, to].map((each) => drawn.shapes.get(each));
      if (begins === undefined || ends === undefined) throw new Error(`${line}: both ends are declared before`);
      expect(
        [...begins.frames, ...ends.frames].some((each) => each === from || each === to),
        `${line} leads into itself`,
      ).toBe(false);
      expect(frames, "arrows stand outside of frames").toEqual([]);
      drawn.arrows.push({ from, to, dotted: kind === "-.->", label: words === undefined ? undefined : shown(words) });
    } else throw new Error(`no line of a flowchart: ${line}`);
  }
  expect(frames, "all frames are closed").toEqual([]);
  const filled = new Set([...drawn.shapes.values()].map((each) => each.frames.at(-1)));
  for (const [name, { shape }] of drawn.shapes)
    if (shape === "subgraph") expect(filled.has(name), `${name} is not empty`).toBe(true);
  const arrows = drawn.arrows.map(({ from, to, dotted, label }) => `${from} ${to} ${dotted} ${label === undefined}`);
  expect(new Set(arrows).size, "no arrow is drawn twice").toBe(arrows.length);
  return drawn;
}

// Definitions at random, as data.

interface Said {
  readonly kind: NodeDefinition["kind"];
  readonly word: string;
  readonly takes: readonly Taken[];
  readonly after: readonly number[];
  readonly words: readonly string[];
  readonly flags: readonly boolean[];
  readonly scopes: readonly SaidScope[];
}
interface Taken {
  readonly pick: number;
  readonly path: readonly string[];
}
interface SaidScope {
  readonly nodes: readonly Said[];
  readonly returns: readonly Taken[];
}

const hostile = fc.oneof(
  fc.string({ unit: "binary", maxLength: 12 }),
  fc.constantFrom(
    ...[
      '"]',
      '" --> x["',
      "end",
      "%%{init: {}}%%",
      "%% a",
      "1. one",
      "- a",
      "# a",
      "#quot;",
      "#35;",
      "<script>x</script>",
      "<br>",
      "```js",
    ],
    ...[
      "`md`",
      "**b**",
      "style a:#b;",
      "classDef a:#b;",
      "a\nend\nb",
      "\r",
      "\u2028end",
      "$$x$$",
      "fa:fa-car",
      "www.a.b",
      "A.--B",
      "---",
    ],
    ...[
      "&lt;",
      "ﬂ°°60¶ß",
      "\ud800",
      "x".repeat(300),
      "[a](b)",
      "@{ shape: x }",
      "\\",
      "|",
      ";",
      "",
      "   ",
      "é 漢字 🚀",
      "a-b_c",
    ],
  ),
);
const kinds = ["step", "map", "switch", "group", "repeat", "compose", "sleep", "event", "approval", "task"] as const;
const taken = fc.array(fc.record({ pick: fc.nat(), path: fc.array(hostile, { maxLength: 2 }) }), { maxLength: 3 });
const { scope: scopes } = fc.letrec<{ node: Said; scope: SaidScope }>((tie) => ({
  node: fc.record({
    kind: fc.constantFrom(...kinds),
    word: fc.constantFrom("end", "default", "a-b", "a_b", "x", "result", "graph"),
    takes: taken,
    after: fc.array(fc.nat(), { maxLength: 2 }),
    words: fc.array(hostile, { minLength: 2, maxLength: 2 }),
    flags: fc.array(fc.boolean(), { minLength: 6, maxLength: 6 }),
    scopes: fc.oneof(
      { maxDepth: 3, depthIdentifier: "scope" },
      fc.constant([]),
      fc.array(tie("scope"), { minLength: 1, maxLength: 2, depthIdentifier: "scope" }),
    ),
  }),
  scope: fc.record({ nodes: fc.array(tie("node"), { maxLength: 4, depthIdentifier: "scope" }), returns: taken }),
}));

const retry = { baseMs: 1, maxMs: 2, maxAttempts: 3, on: "any" } as const;
const child = reactor("child", { input: z.strictObject({ a: z.string() }), reversible: true }, (steps) =>
  steps.step("pack", { args: ({ input }) => ({ it: input.a }), run: () => 1 }).returns(({ results }) => results.pack),
) as ReactorDefinition;

function define({
  said,
  members,
}: {
  readonly said: SaidScope;
  readonly members: readonly string[];
}): ReactorDefinition {
  let count = 0;
  const scopeOf = ({ nodes, returns }: SaidScope, prefix: string, around: readonly Argument[]): ScopeDefinition => {
    const here: Argument[] = [];
    const take = (takes: readonly Taken[]): Argument => ({
      from: "list",
      items: takes.map(({ pick, path }): Argument => {
        const sources = [...around, ...here];
        const source = sources[pick % sources.length] as Argument;
        return "path" in source ? { ...source, path: [...source.path, ...path] } : source;
      }),
    });
    const names: string[] = [];
    const done = nodes.map((node): NodeDefinition => {
      const [first = false, second = false, third = false, fourth = false, fifth = false, sixth = false] = node.flags;
      count += 1;
      // Two names may differ in their signs alone.
      const name = `${node.word}${count % 2 === 0 ? "-" : "_"}${Math.floor(count / 2)}`;
      const common = {
        ...{
          name,
          // Under a name that any kind of step can be told.
          args: { from: "object" as const, members: { [node.kind === "event" ? "key" : "details"]: take(node.takes) } },
          after: names.filter((_name, at) => node.after.some((pick) => pick % names.length === at)),
        },
        ...(first && { description: node.words[0] as string }),
      };
      const of = prefix + name;
      const element: Argument[] = [
        { from: "element", of, path: [] },
        { from: "index", of },
      ];
      const outside = [...around, ...here];
      const inner = (at: number, mark = "", more: Argument[] = []) =>
        scopeOf(node.scopes[at] ?? { nodes: [], returns: [] }, `${of}${mark}/`, [...outside, ...more]);
      here.push({ from: "result", step: of, path: [] });
      names.push(name);
      const run = "run";
      const roles = {
        ...(second && { undo: run }),
        ...(third && { compensate: run }),
        ...(fourth && { where: run }),
        ...(fifth && { guard: run }),
      };
      switch (node.kind) {
        case "step":
          return { kind: "step", ...common, run, ...roles, retry, timeoutMs: 1, idempotent: sixth };
        case "map": {
          const over: Argument = { from: "list", items: [{ from: "input", path: ["m"] }] };
          return {
            kind: "map",
            ...common,
            over,
            maxConcurrency: 3,
            ordered: second,
            collect: third ? "count" : "results",
            scope: inner(0, "", element),
          };
        }
        case "switch": {
          const branches = second ? [{ name: "end", when: run, scope: inner(0, ":end") }] : [];
          return {
            kind: "switch",
            ...common,
            branches,
            ...((third || !second) && { otherwise: inner(1, ":otherwise") }),
          };
        }
        case "group":
          return { kind: "group", ...common, scope: inner(0) };
        case "repeat":
          return { kind: "repeat", ...common, until: run, maxTurns: 5, scope: inner(0, "", element) };
        case "compose":
          return { kind: "compose", ...common, reactor: "child", maxRestarts: 0, undo: second };
        case "sleep":
          return { kind: "sleep", ...common };
        case "event":
          return { kind: "event", ...common, event: "payment.received" };
        case "approval":
          return { kind: "approval", ...common, title: node.words[1] || "x", onRejected: "fail" };
        default:
          return { kind: "task", ...common, capability: node.words[1] || "x", retry, timeoutMs: 1 };
      }
    });
    return { nodes: done, returns: take(returns) };
  };
  const inputs: Argument[] = [[], ...members.map((member) => [member])].map((path) => ({ from: "input", path }));
  const graph = scopeOf(said, "", inputs);
  const about = {
    ...{
      kind: "reactor" as const,
      name: "random",
      description: "",
      version: 1,
      input: z.any(),
      graph,
      reversible: false,
    },
    ...{
      maxConcurrency: 1,
      timeoutMs: undefined,
      functions: new Map([["run", () => 1 as JsonValue]]),
      children: new Map([["child", child]]),
    },
  };
  const definition = { ...about, hash: hashOf(about) };
  planOf(definition);
  return definition;
}

const definitions = fc.record({ said: scopes, members: fc.array(hostile, { minLength: 1, maxLength: 3 }) }).map(define);

/** What a text comes to in one line of a label. */
const inOneLine = (words: string) => {
  const chars = [
    ...words
      .toWellFormed()
      .replace(/[\s\p{Cc}]+/gu, " ")
      .trim(),
  ];
  return chars.length > 200 ? `${chars.slice(0, 200).join("")}…` : chars.join("");
};
const shapeOf = { step: "[]", compose: "[[]]", sleep: "([])", event: ">]", approval: "{{}}", task: "[/\\]" } as const;

/** All steps with their path, and the frames that they stand in, from the outermost. */
function* stepsOf(
  scope: ScopeDefinition,
  prefix = "",
  frames: readonly string[] = [],
): Generator<{ readonly node: NodeDefinition; readonly path: string; readonly frames: readonly string[] }> {
  for (const node of scope.nodes) {
    const path = prefix + node.name;
    yield { node, path, frames };
    const mine = [...frames, node.name];
    for (const { mark, scope: inner } of scopesOf(node))
      yield* stepsOf(inner, `${path}${mark}/`, mark === "" ? mine : [...mine, mark.slice(1)]);
  }
}

/** Each arrow that there must be, once: from what to what, and whether the whole is taken. */
function arrowsOf({ graph }: ReactorDefinition): { readonly solid: Set<string>; readonly dotted: Set<string> } {
  const [solid, dotted] = [new Set<string>(), new Set<string>()];
  const take = (argument: Argument, to: string) => {
    for (const source of sourcesOf(argument)) {
      const key = { ...{ input: undefined, result: undefined, element: undefined }, ...source } as Record<
        string,
        unknown
      >;
      const path = (key.path ?? ["index"]) as string[];
      if (source.from === "input") solid.add(JSON.stringify(["input", path[0] ?? null, to, path.length < 2]));
      else
        solid.add(
          JSON.stringify([key.step === undefined ? "element" : "result", key.step ?? key.of, to, path.length === 0]),
        );
    }
  };
  take(graph.returns, "");
  for (const { node, path } of stepsOf(graph)) {
    take(node.args, path);
    if (node.kind === "map") take(node.over, `${path}.over`);
    for (const { mark, scope } of scopesOf(node)) {
      take(scope.returns, `${path}${mark}.returns`);
      if (node.kind === "switch") solid.add(JSON.stringify(["choice", path, mark]));
    }
    for (const name of node.after) dotted.add(JSON.stringify([path, name]));
  }
  return { solid, dotted };
}

describe("a definition at random", () => {
  test("is drawn with every step, its words and its frames, and with its arrows", () => {
    const seen = new Set<string>();
    fc.assert(
      fc.property(definitions, (definition) => {
        const text = toMermaid(definition);
        expect(toMermaid(definition)).toBe(text);
        const { shapes, arrows } = read(text);
        const drawn = [...shapes.values()].map(({ shape, words, frames }) => ({
          ...{ shape, words },
          frames: frames.map((each) => shapes.get(each)?.words[0]?.split(" ").at(-1)),
        }));
        for (const { node, frames } of stepsOf(definition.graph)) {
          seen.add(node.kind);
          const name = node.kind === "step" ? node.name : `${node.kind} ${node.name}`;
          const mine = drawn.filter(({ words }) => words[0] === name);
          expect(mine).toMatchObject([
            { frames, shape: node.kind in shapeOf ? shapeOf[node.kind as "step"] : "subgraph" },
          ]);
          const said = [
            node.description,
            node.kind === "approval" ? node.title : node.kind === "task" ? node.capability : undefined,
          ];
          for (const words of said)
            if (words !== undefined && inOneLine(words) !== "") expect(mine[0]?.words).toContain(inOneLine(words));
          if (node.kind !== "step") continue;
          const marks = (["undo", "compensate", "where", "guard"] as const).filter((role) => node[role] !== undefined);
          const all = [...marks, ...(node.idempotent ? [] : ["not idempotent"])].join(", ");
          expect(mine[0]?.words[1] === all).toBe(all !== "");
        }
        const { solid, dotted } = arrowsOf(definition);
        expect(arrows.filter((each) => each.dotted)).toHaveLength(dotted.size);
        expect(arrows.filter((each) => !each.dotted)).toHaveLength(solid.size);
      }),
      { numRuns: 150 },
    );
    expect(seen.size).toBe(kinds.length);
  });

  test("is drawn with its children too", () => {
    fc.assert(
      fc.property(definitions, (definition) => {
        const { shapes } = read(toMermaid(definition, { children: true }));
        const composed = [...stepsOf(definition.graph)].filter(({ node }) => node.kind === "compose").length;
        const frames = [...shapes.values()].filter(
          ({ shape, words }) => shape === "subgraph" && words[1] === "reactor child",
        );
        expect(frames).toHaveLength(composed);
        expect([...shapes.values()].filter(({ words }) => words[0] === "pack")).toHaveLength(composed);
      }),
      { numRuns: 100 },
    );
  });
});

const shipping = reactor(
  "shipping",
  { input: z.strictObject({ parcels: z.array(z.string()) }), reversible: true },
  (steps) =>
    steps
      .map("ship", { over: ({ input }) => input.parcels, maxConcurrency: 8, ordered: false }, (parcel) =>
        parcel
          .step("label", { args: ({ element, index }) => ({ element, index }), run: () => "label", undo: () => {} })
          .returns(({ results }) => results.label),
      )
      .returns(({ results }) => results.ship),
);
const order = reactor("order", { input: z.strictObject({ id: z.string(), lines: z.array(z.string()) }) }, (steps) =>
  steps
    .step("reserve", {
      description: 'Puts "lines" aside; see #7.',
      args: ({ input }) => ({ id: input.id, first: input.lines[0] as never }),
      run: () => ({ id: "r", until: 7 }),
      undo: () => {},
      compensate: () => {},
    })
    .compose("send", shipping, { args: ({ input }) => ({ parcels: input.lines }), after: ["reserve"] })
    .group("tell", { before: () => {} }, (inside) =>
      inside
        .task("write", {
          capability: "mail.write",
          args: ({ results }) => ({ id: results.reserve.id, until: results.reserve.until, all: results.reserve }),
        })
        .sleep("pause", { args: () => ({ forMs: 1 }), after: ["write"] })
        .approval("ok", { title: "Is it <well>?" })
        .returns(({ results }) => results.ok.by),
    )
    .repeat(
      "poll",
      { maxTurns: 5 },
      (turn) =>
        turn
          .waitFor("arrived", { event: "parcel.arrived", args: ({ index }) => ({ timeoutMs: index }) })
          .step("charge", { run: () => 1, idempotent: false, where: () => true })
          .returns(({ results }) => results.arrived),
      () => true,
    )
    .returns(({ results }) => ({ told: results.tell, arrived: results.poll })),
) as ReactorDefinition;

const drawnOrder = [
  "flowchart TD",
  `  %% reactor order, version 1, ${order.hash}`,
  '  s_input_id[/"id"/]',
  '  s_input_lines[/"lines"/]',
  '  s_reserve["reserve<br>undo, compensate<br>Puts #34;lines#34; aside#59; see #35;7#46;"]',
  '  s_send[["compose send<br>reactor shipping<br>undo"]]',
  '  subgraph s_tell["group tell"]',
  '    s_tell_tell_before["tell-before"]',
  '    s_tell_write[/"task write<br>mail.write"\\]',
  '    s_tell_pause(["sleep pause"])',
  '    s_tell_ok{{"approval ok<br>Is it #60;well#62;?"}}',
  '    s_tell_result(("result"))',
  "  end",
  '  subgraph s_poll["repeat poll<br>5 turns at most"]',
  '    s_poll_element(("last turn"))',
  '    s_poll_arrived>"event arrived<br>parcel.arrived"]',
  '    s_poll_charge["charge<br>where, not idempotent"]',
  '    s_poll_result(("result"))',
  "  end",
  '  s_result((("result")))',
  "  s_input_id --> s_reserve",
  '  s_input_lines -->|"0"| s_reserve',
  "  s_input_lines --> s_send",
  "  s_reserve -.-> s_send",
  '  s_reserve -->|"id, until"| s_tell_write',
  "  s_reserve --> s_tell_write",
  "  s_tell_tell_before -.-> s_tell_write",
  "  s_tell_write -.-> s_tell_pause",
  "  s_tell_tell_before -.-> s_tell_pause",
  "  s_tell_tell_before -.-> s_tell_ok",
  '  s_tell_ok -->|"by"| s_tell_result',
  '  s_poll_element -->|"index"| s_poll_arrived',
  "  s_poll_arrived --> s_poll_result",
  "  s_tell --> s_result",
  "  s_poll --> s_result",
  "",
];

describe("an order", () => {
  test("as it is drawn", () => {
    expect(toMermaid(order).split("\n")).toEqual(drawnOrder);
    read(toMermaid(order));
  });

  test("with the reactor that it composes inside of its step", () => {
    const lines = toMermaid(order, { children: true }).split("\n");
    const at = lines.indexOf('  subgraph s_send["compose send<br>reactor shipping<br>undo"]');
    expect(lines.slice(at + 1, at + 9)).toEqual([
      '    s_send_input_parcels[/"parcels"/]',
      '    subgraph s_send_ship["map ship<br>8 at a time, unordered"]',
      '      s_send_ship_element(("element"))',
      '      s_send_ship_label["label<br>undo"]',
      '      s_send_ship_result(("result"))',
      "    end",
      '    s_send_result((("result")))',
      "  end",
    ]);
    expect(lines).toEqual(
      expect.arrayContaining(["  s_input_lines --> s_send_input_parcels", "  s_reserve -.-> s_send"]),
    );
    read(lines.join("\n"));
  });

  test("a switch leads to the frames of its branches, and what is taken from it comes from all of it", () => {
    const charge = { ...child.graph.nodes[0], name: "charge", args: { from: "value", value: {} } } as NodeDefinition;
    const taken: Argument = { from: "result", step: "pay:card/charge", path: [] };
    const pay: NodeDefinition = {
      ...{ kind: "switch", name: "pay", after: [], args: { from: "input", path: ["a"] } },
      branches: [{ name: "card", when: "when", scope: { nodes: [charge], returns: taken } }],
      otherwise: { nodes: [], returns: { from: "value", value: 0 } },
    };
    const paying = { ...child, graph: { nodes: [pay], returns: { from: "result", step: "pay", path: [] } } } as const;
    expect(toMermaid(paying).split("\n").slice(2)).toEqual([
      '  s_input_a[/"a"/]',
      '  subgraph s_pay["switch pay"]',
      '    s_pay_choice{"pay"}',
      '    subgraph s_pay_card["card"]',
      '      s_pay_card_charge["charge"]',
      '      s_pay_card_result(("result"))',
      "    end",
      '    subgraph s_pay_otherwise["otherwise"]',
      '      s_pay_otherwise_result(("result"))',
      "    end",
      "  end",
      '  s_result((("result")))',
      "  s_input_a --> s_pay_choice",
      "  s_pay_card_charge --> s_pay_card_result",
      '  s_pay_choice -->|"card"| s_pay_card',
      '  s_pay_choice -->|"otherwise"| s_pay_otherwise',
      "  s_pay --> s_result",
      "",
    ]);
  });
});

describe("inputs", () => {
  const drawn = (input: z.ZodType, from: readonly string[] | undefined) => {
    const graph: ScopeDefinition = {
      nodes: [],
      returns: from === undefined ? { from: "value", value: 1 } : { from: "input", path: from },
    };
    return toMermaid({ ...child, input, graph })
      .split("\n")
      .slice(2, -1);
  };
  const result = '  s_result((("result")))';
  test.each<[string, z.ZodType, readonly string[] | undefined, string[]]>([
    ["one that nothing takes", z.strictObject({ a: z.any() }), undefined, ['  s_input_a[/"a"/]', result]],
    ["the whole", z.string(), [], ['  s_input[/"input"/]', result, "  s_input --> s_result"]],
    ["one of no known members", z.any(), undefined, ['  s_input[/"input"/]', result]],
    [
      "a member that the schema does not name",
      z.any(),
      ["a", "b"],
      ['  s_input_a[/"a"/]', result, '  s_input_a -->|"b"| s_result'],
    ],
    ["a member without a name", z.any(), [""], ['  s_input_[/"#34;#34;"/]', result, "  s_input_ --> s_result"]],
  ])("%s", (_what, input, from, lines) => {
    expect(drawn(input, from)).toEqual(lines);
  });
});

describe("bounds", () => {
  const around = (name: string, composed: readonly ReactorDefinition[]) => {
    const nodes = composed.map((each): NodeDefinition => {
      const args: Argument = { from: "input", path: [] };
      return { kind: "compose", name: each.name, args, after: [], reactor: each.name, maxRestarts: 0, undo: false };
    });
    const children = new Map(composed.map((each) => [each.name, each]));
    return { ...child, name, children, graph: { nodes, returns: { from: "value", value: 1 } } } as ReactorDefinition;
  };

  test("reactors that compose each other over and over stay closed when there are 5,000 steps", () => {
    let composed = child;
    for (let level = 0; level < 20; level++)
      composed = around(`both${level}`, [around(`left${level}`, [composed]), around(`right${level}`, [composed])]);
    const lines = toMermaid(composed, { children: true }).split("\n");
    const steps = lines.filter((line) => /"(compose |pack)/.test(line)).length;
    expect(steps).toBeGreaterThan(4_900);
    expect(steps).toBeLessThanOrEqual(5_000);
  });

  test("and those that stand in more than 32 others", () => {
    let composed = child;
    for (let level = 0; level < 10_000; level++) composed = around(`level${level}`, [composed]);
    const drawn = read(toMermaid(composed, { children: true }));
    expect(Math.max(...[...drawn.shapes.values()].map(({ frames }) => frames.length))).toBe(32);
  });

  test("a reactor that composes itself is drawn as far", () => {
    const own = around("own", [{ ...child, name: "own" }]);
    (own.children as Map<string, ReactorDefinition>).set("own", own);
    expect(read(toMermaid(own, { children: true })).shapes.size).toBe(33 * 4);
  });
});

test.each<[string, Partial<NodeDefinition>, string]>([
  ["a result", { args: { from: "result", step: "gone", path: [] } }, 'pack: "gone" is not there to lead to it'],
  ["a step before", { after: ["gone"] }, 'pack: "gone" is not there to lead to it'],
  ["an element", { args: { from: "element", of: "gone", path: [] } }, 'pack: "gone" is not there to lead to it'],
])("%s that is not there is not drawn as if it were", (_what, change, message) => {
  const { nodes, returns } = child.graph;
  const graph = { nodes: nodes.map((node) => ({ ...node, ...change }) as NodeDefinition), returns };
  expect(() => toMermaid({ ...child, graph })).toThrow(`reactor "child", ${message}.`);
});
