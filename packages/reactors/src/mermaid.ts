import { z } from "zod";
import type { Argument, Path } from "./argument.ts";
import { sourcesOf } from "./argument.ts";
import type { NodeDefinition, ReactorDefinition, ScopeDefinition, StepNode } from "./definition.ts";
import { nodesOf, scopesOf } from "./definition.ts";
import { invalidDefinition } from "./errors.ts";

/** How many steps are drawn in all: beyond it composed reactors stay closed. One that is composed in two places is drawn twice. */
const maxDrawn = 5_000;
/** How deep composed reactors are drawn inside of each other. */
const maxLevels = 32;
/** How much of a text is shown, in characters: it is a drawing, and the whole is in the definition. */
const maxTextChars = 200;

/**
 * Draws a definition as a Mermaid flowchart, from the top down:
 *
 * - a parallelogram for each member of the input, a double circle for the result, and inside of each frame a circle for what it comes to;
 * - a box for a step, with what it has: undo, compensate, where, guard, not idempotent. The other kinds have shapes of their own: sleeps have
 *   round ends, events are flags, approvals are hexagons, tasks are trapezoids, and composed reactors have double sides;
 * - a frame round the steps of a map, a group and a repeat, and of each branch of a switch, whose rhombus leads to its branches by name. A
 *   map has its element in it, a repeat what its last turn came to;
 * - a solid arrow from what an argument is taken from, with the path to the part that is taken, and a dotted one from each step that a step
 *   only comes after.
 *
 * With `children` composed reactors are drawn inside of their steps, level in level, up to 32 levels and 5,000 steps; those beyond stay
 * closed.
 *
 * The same definition always comes to the same text. Words of any kind are shown as they are, and can neither break the drawing nor add to
 * it; long ones are cut. Not shown: constants, retries and timeouts, and what functions do. Not promised: that a large drawing can be read,
 * that every renderer takes it (Mermaid draws 500 arrows where it is not told otherwise), and that a later version draws the same.
 */
export function toMermaid(definition: ReactorDefinition, options: { readonly children?: boolean } = {}): string {
  const drawing: Drawing = {
    open: options.children ?? false,
    ...{ lines: [], edges: new Map(), ids: new Set(), drawn: 0, level: 0 },
  };
  drawReactor(drawing, definition, "", "  ");
  const edges = [...drawing.edges.values()].map(({ from, to, arrow, parts }) => {
    const label = parts.size === 0 ? "" : `|"${text([...parts].join(", "))}"|`;
    return `  ${from} ${arrow}${label} ${to}`;
  });
  const { name, version, hash } = definition;
  const about = `  %% reactor ${text(name)}, version ${version}, ${text(hash)}`;
  // Arrows stand last: a frame takes in what is named in it for the first time.
  return `${["flowchart TD", about, ...drawing.lines, ...edges].join("\n")}\n`;
}

interface Drawing {
  /** Whether composed reactors are drawn open. */
  readonly open: boolean;
  readonly lines: string[];
  readonly edges: Map<string, Edge>;
  readonly ids: Set<string>;
  /** How many steps there are in all reactors that were opened. */
  drawn: number;
  /** In how many reactors that what is drawn now stands. */
  level: number;
}

interface Edge {
  readonly from: string;
  readonly to: string;
  readonly arrow: "-->" | "-.->";
  /** Paths to the parts that are taken; none where it is the whole, which has an arrow of its own. */
  readonly parts: Set<string>;
}

/** One reactor while it is drawn: the ids of all that arguments can be taken from. */
interface Sheet {
  readonly definition: ReactorDefinition;
  readonly drawing: Drawing;
  /** Before the ids of all that is in it. */
  readonly prefix: string;
  /** Of the input's members, by name. */
  readonly members: ReadonlyMap<string, string>;
  /** Of the whole input. */
  readonly input: string | undefined;
  /** Of results, by static path. */
  readonly steps: Map<string, string>;
  /** Of elements, by the static path of what they are elements of. */
  readonly elements: Map<string, string>;
  /** What is connected when all of it is drawn: an argument may be taken from what stands further down. */
  readonly connections: (() => void)[];
}

function drawReactor(drawing: Drawing, definition: ReactorDefinition, prefix: string, indent: string): Sheet {
  drawing.drawn += stepsIn(definition.graph);
  const { members, whole } = inputsOf(definition);
  const drawInput = (name: string, id: string) => draw(drawing, indent, `${prefix}${id}`, "[/", text(name), "/]");
  const sheet: Sheet = {
    ...{ definition, drawing, prefix },
    members: new Map(members.map((name) => [name, drawInput(name, `input_${name}`)])),
    input: whole ? drawInput("input", "input") : undefined,
    ...{ steps: new Map(), elements: new Map(), connections: [] },
  };
  drawSteps(sheet, definition.graph, "", indent);
  const result = draw(drawing, indent, `${prefix}result`, "(((", "result", ")))");
  connect(sheet, definition.graph.returns, result, "graph.returns");
  for (const act of sheet.connections) act();
  return sheet;
}

/** What of the input is drawn: members that its schema names or a step takes, and the whole where a step takes that or there are none. */
function inputsOf({ input, graph }: ReactorDefinition): {
  readonly members: readonly string[];
  readonly whole: boolean;
} {
  const { properties = {} } = z.toJSONSchema(input, { io: "output", unrepresentable: "any" });
  const members = new Set(Object.keys(properties));
  let whole = false;
  for (const source of argumentsIn(graph)) {
    if (source.from !== "input") continue;
    const [member] = source.path;
    if (member === undefined) whole = true;
    else members.add(member);
  }
  return { members: [...members], whole: whole || members.size === 0 };
}

function* argumentsIn(scope: ScopeDefinition): Generator<Argument> {
  yield* sourcesOf(scope.returns);
  for (const node of scope.nodes) {
    yield* sourcesOf(node.args);
    if (node.kind === "map") yield* sourcesOf(node.over);
    for (const { scope: inner } of scopesOf(node)) yield* argumentsIn(inner);
  }
}

/** `prefix` is that of its steps' static paths, as `ship/`. */
function drawSteps(sheet: Sheet, scope: ScopeDefinition, prefix: string, indent: string): void {
  for (const node of scope.nodes) {
    const path = prefix + node.name;
    const id = drawNode(sheet, node, path, indent);
    sheet.steps.set(path, id);
    for (const name of node.after) {
      sheet.connections.push(() => {
        const from = sheet.steps.get(prefix + name) ?? notThere(sheet, path, name);
        addEdge(sheet.drawing, from, id, [], "-.->");
      });
    }
  }
}

/** The steps of a scope inside of another, and what it comes to. */
function drawInner(sheet: Sheet, scope: ScopeDefinition, path: string, indent: string): void {
  drawSteps(sheet, scope, `${path}/`, indent);
  const result = draw(sheet.drawing, indent, `${sheet.prefix}${path}_result`, "((", "result", "))");
  connect(sheet, scope.returns, result, `${path}.returns`);
}

/** Draws a step; answers the id of where its result is. */
function drawNode(sheet: Sheet, node: NodeDefinition, path: string, indent: string): string {
  const { drawing } = sheet;
  const one = (open: string, label: string, close: string) => {
    const id = draw(drawing, indent, sheet.prefix + path, open, label, close);
    connect(sheet, node.args, id, path);
    return id;
  };
  const frame = (label: string, inside: (indent: string, id: string) => void) =>
    drawFrame(drawing, indent, sheet.prefix + path, label, inside);
  const scopeInside = (scope: ScopeDefinition) => (inside: string, id: string) => {
    connect(sheet, node.args, id, path);
    drawInner(sheet, scope, path, inside);
  };
  switch (node.kind) {
    case "step":
      return one("[", labelOf(node, "", marksOf(node)), "]");
    case "sleep":
      return one("([", labelOf(node, "sleep"), "])");
    case "event":
      return one(">", labelOf(node, "event", [node.event]), "]");
    case "approval":
      return one("{{", labelOf(node, "approval", [node.title]), "}}");
    case "task":
      return one("[/", labelOf(node, "task", [node.capability]), "\\]");
    case "group":
      return frame(labelOf(node, "group"), scopeInside(node.scope));
    case "map": {
      const marks = [
        `${node.maxConcurrency} at a time`,
        ...(node.ordered ? [] : ["unordered"]),
        ...(node.collect === "count" ? ["counted"] : []),
      ];
      return frame(labelOf(node, "map", [marks.join(", ")]), (inside, id) => {
        const element = drawElement(sheet, path, "element", inside);
        connect(sheet, node.over, element, `${path}.over`);
        scopeInside(node.scope)(inside, id);
      });
    }
    case "repeat":
      return frame(labelOf(node, "repeat", [`${node.maxTurns} turns at most`]), (inside, id) => {
        drawElement(sheet, path, "last turn", inside);
        scopeInside(node.scope)(inside, id);
      });
    case "switch":
      return frame(labelOf(node, "switch"), (inside) => {
        const choice = draw(drawing, inside, `${sheet.prefix}${path}_choice`, "{", text(node.name), "}");
        connect(sheet, node.args, choice, path);
        for (const { mark, scope } of scopesOf(node)) {
          const name = mark.slice(1);
          const branch = drawFrame(drawing, inside, sheet.prefix + path + mark, text(name), (deeper) =>
            drawInner(sheet, scope, path + mark, deeper),
          );
          sheet.connections.push(() => addEdge(drawing, choice, branch, [name]));
        }
      });
    case "compose": {
      const label = labelOf(node, "compose", [`reactor ${node.reactor}`, ...(node.undo ? ["undo"] : [])]);
      const child = drawing.open ? sheet.definition.children.get(node.reactor) : undefined;
      if (child === undefined || drawing.level >= maxLevels || drawing.drawn + stepsIn(child.graph) > maxDrawn)
        return one("[[", label, "]]");
      return frame(label, (inside, id) => {
        drawing.level += 1;
        const inner = drawReactor(drawing, child, `${sheet.prefix}${path}_`, inside);
        drawing.level -= 1;
        connectInputs(sheet, node.args, inner, id, path);
      });
    }
  }
}

function drawElement(sheet: Sheet, path: string, label: string, indent: string): string {
  const id = draw(sheet.drawing, indent, `${sheet.prefix}${path}_element`, "((", label, "))");
  sheet.elements.set(path, id);
  return id;
}

/** What a step has beside what it does. */
function marksOf(node: StepNode): string[] {
  const marks = (["undo", "compensate", "where", "guard"] as const).filter((role) => node[role] !== undefined);
  return [[...marks, ...(node.idempotent ? [] : ["not idempotent"])].join(", ")];
}

const stepsIn = (scope: ScopeDefinition): number => [...nodesOf(scope)].length;

// Arrows

/** Has an arrow drawn, when all is drawn, from each thing that an argument is taken from. */
function connect(sheet: Sheet, argument: Argument, to: string, where: string): void {
  sheet.connections.push(() => {
    for (const source of sourcesOf(argument)) {
      const { from, part } = originOf(sheet, source, where);
      addEdge(sheet.drawing, from, to, part);
    }
  });
}

/** Leads what a composed reactor is called with to its inputs: by name, where the names are there. */
function connectInputs(sheet: Sheet, args: Argument, inner: Sheet, frame: string, where: string): void {
  if (args.from !== "object") connect(sheet, args, inner.input ?? frame, where);
  else
    for (const [name, member] of Object.entries(args.members))
      connect(sheet, member, inner.members.get(name) ?? inner.input ?? frame, where);
}

function originOf(sheet: Sheet, source: Argument, where: string): { readonly from: string; readonly part: Path } {
  switch (source.from) {
    case "input": {
      const [member, ...rest] = source.path;
      const from = member === undefined ? sheet.input : sheet.members.get(member);
      return { from: from ?? notThere(sheet, where, member ?? "input"), part: rest };
    }
    case "result":
      return { from: sheet.steps.get(source.step) ?? notThere(sheet, where, source.step), part: source.path };
    case "element":
      return { from: sheet.elements.get(source.of) ?? notThere(sheet, where, source.of), part: source.path };
    case "index":
      return { from: sheet.elements.get(source.of) ?? notThere(sheet, where, source.of), part: ["index"] };
    default:
      return notThere(sheet, where, source.from);
  }
}

/** What `reactor()` and `fromJson` refuse is not drawn as if it were right. */
function notThere({ definition }: Sheet, where: string, name: string): never {
  throw invalidDefinition(definition.name, where, `"${name}" is not there to lead to it`);
}

/** One arrow for all parts that are taken, and one for the whole. */
function addEdge(drawing: Drawing, from: string, to: string, part: Path, arrow: Edge["arrow"] = "-->"): void {
  const key = `${from} ${arrow} ${to} ${part.length === 0 ? "whole" : "parts"}`;
  const edge = drawing.edges.get(key) ?? { from, to, arrow, parts: new Set<string>() };
  if (part.length > 0) edge.parts.add(part.join("."));
  drawing.edges.set(key, edge);
}

// Text

/** Adds a shape with a label that is text already; answers its id. */
function draw(drawing: Drawing, indent: string, name: string, open: string, label: string, close: string): string {
  const id = newId(drawing, name);
  drawing.lines.push(`${indent}${id}${open}"${label}"${close}`);
  return id;
}

function drawFrame(
  drawing: Drawing,
  indent: string,
  name: string,
  label: string,
  inside: (indent: string, id: string) => void,
): string {
  const id = newId(drawing, name);
  drawing.lines.push(`${indent}subgraph ${id}["${label}"]`);
  inside(`${indent}  `, id);
  drawing.lines.push(`${indent}end`);
  return id;
}

/** After a path, so that the text can be read; begins with what is no word of Mermaid's, and is nobody else's. */
function newId({ ids }: Drawing, name: string): string {
  const base = `s_${name.replace(/[^a-zA-Z0-9]+/g, "_")}`;
  let id = base;
  for (let count = 2; ids.has(id); count++) id = `${base}_${count}`;
  ids.add(id);
  return id;
}

function labelOf(node: NodeDefinition, word: string, lines: readonly string[] = []): string {
  return [`${word} ${node.name}`, ...lines, node.description ?? ""]
    .filter((line) => line.trim() !== "")
    .map(text)
    .join("<br>");
}

/**
 * Words as a label has them. Signs that Mermaid, its Markdown or HTML could take for more than a character are written as their number, and
 * shown as the character.
 */
function text(words: string): string {
  const chars = [
    ...words
      .toWellFormed()
      .replace(/[\s\p{Cc}]+/gu, " ")
      .trim(),
  ];
  const shown = chars.length > maxTextChars ? `${chars.slice(0, maxTextChars).join("")}…` : chars.join("");
  const written = shown
    // Names of icons, and what Mermaid marks numbers by while it reads, are found after the numbers are characters again: a sign that
    // joins words, and that nobody sees, keeps their parts apart.
    .replace(/(?<=:)(?=fa-)|(?<=ﬂ)(?=°)|(?<=¶)(?=ß)/g, "\u2060")
    .replace(/[!-/:-@[-`{-~]/g, (sign, at: number, all: string) =>
      isPlain(sign, all[at - 1] ?? "", all[at + 1] ?? "") ? sign : `#${sign.charCodeAt(0)};`,
    );
  return written === "" ? text('""') : written;
}

function isPlain(sign: string, before: string, after: string): boolean {
  // A stop after a number begins a list, and one after www a link.
  if (sign === "." || sign === ")") return !/[\dw]/i.test(before);
  // Inside of a word they neither emphasise nor begin a list.
  if (sign === "-" || sign === "_") return /[a-z\d]/i.test(before) && /[a-z\d]/i.test(after);
  return ",(!?'/".includes(sign);
}
