import type { Tree } from "./tree.ts";

const architecture = `# A little house

## The rooms

\`\`\`
L0  kernel
L1  log
L2  log-postgres
L3  viable
\`\`\`

| room | one line |
|---|---|
| \`kernel\` | the ground |
| \`log\` | the port |
| \`log-postgres\` | an adapter |
| \`viable\` | puts it together |

## Invariants

- **W1** A command is durable before it is acknowledged.
- **W3** The bus may lose anything.
`;

const manifest = (name: string, dependencies: readonly string[], subpaths: readonly string[] = []): string =>
  JSON.stringify({
    name,
    description: `the ${name} of the little house`,
    exports: Object.fromEntries(
      [".", ...subpaths].map((subpath) => [
        subpath,
        {
          "viable-source": `./src${subpath.slice(1)}/index.ts`,
          types: "./dist/index.d.ts",
          default: "./dist/index.js",
        },
      ]),
    ),
    dependencies: Object.fromEntries(dependencies.map((dependency) => [dependency, "0.1.0"])),
  });

const references = (prefix: string, rooms: readonly string[]): string =>
  JSON.stringify({ references: rooms.map((room) => ({ path: prefix + room })) });

const readme = "# A room\n\nWhat it is for.\n\nIts main call.\n";

/** A tree of four rooms that keeps every rule. Each rule's test breaks it in one place and expects to be told so. */
export const littleHouse: Tree = new Map([
  ["package.json", JSON.stringify({ name: "little-house", devDependencies: { vitest: "5.1.1" } })],
  ["ARCHITECTURE.md", architecture],
  ["README.md", "# Little house\n\nSee `packages/kernel/src/index.ts` and `@viable/log/testing`.\n"],
  ["STYLE.md", "# Style\n"],
  ["CONTRIBUTING.md", "# Contributing\n"],
  ["tsconfig.build.json", references("./packages/", ["kernel", "log", "log-postgres", "viable"])],
  ["packages/kernel/package.json", manifest("@viable/kernel", [])],
  ["packages/kernel/tsconfig.json", references("../", [])],
  ["packages/kernel/README.md", readme],
  ["packages/kernel/src/index.ts", 'export { now } from "./clock.ts";\n'],
  ["packages/kernel/src/clock.ts", "export const now = (): number => Date.now();\n"],
  ["packages/log/package.json", manifest("@viable/log", ["@viable/kernel"], ["./testing"])],
  ["packages/log/tsconfig.json", references("../", ["kernel"])],
  ["packages/log/README.md", readme],
  [
    "packages/log/src/index.ts",
    'import { now } from "@viable/kernel";\n// Answers only when it is durable (W1).\nexport const time = now;\n',
  ],
  [
    "packages/log/src/testing/index.ts",
    'import { it } from "vitest";\nit("loses wake-ups and goes on (W3)", () => {});\n',
  ],
  ["packages/log-postgres/package.json", manifest("@viable/log-postgres", ["@viable/log"])],
  ["packages/log-postgres/tsconfig.json", references("../", ["log"])],
  ["packages/log-postgres/README.md", readme],
  ["packages/log-postgres/src/index.ts", 'export { time } from "@viable/log";\n'],
  ["packages/viable/package.json", manifest("viable", ["@viable/log", "@viable/log-postgres"])],
  ["packages/viable/tsconfig.json", references("../", ["log", "log-postgres"])],
  ["packages/viable/README.md", readme],
  [
    "packages/viable/src/index.ts",
    'export { time } from "@viable/log-postgres";\nexport const home = process.env["HOME"];\n',
  ],
  ["examples/town/package.json", JSON.stringify({ name: "town", dependencies: { viable: "0.1.0" } })],
  [
    "examples/town/baker/service.ts",
    'import { service } from "viable";\nimport { bake } from "./bake.ts";\nexport const baker = service(bake);\n',
  ],
  ["examples/town/baker/bake.ts", "export const bake = {};\n"],
  ["examples/town/miller/service.ts", 'import { service } from "viable";\nexport const miller = service({});\n'],
]);

/** The little house's list of exceptions from the rule about time and chance. */
export const littleHouseAmbient = { "packages/kernel/src/clock.ts": "asks the machine" };
