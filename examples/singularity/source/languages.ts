/** What a language is for. Only code makes a folder a source tree. */
export type LanguageKind = "code" | "markup" | "data";

interface Language {
  readonly name: string;
  readonly kind: LanguageKind;
  /** Without the dot. */
  readonly extensions: readonly string[];
}

const languages: readonly Language[] = [
  { name: "TypeScript", kind: "code", extensions: ["ts", "tsx", "mts", "cts"] },
  { name: "JavaScript", kind: "code", extensions: ["js", "jsx", "mjs", "cjs"] },
  { name: "Vue", kind: "code", extensions: ["vue"] },
  { name: "Svelte", kind: "code", extensions: ["svelte"] },
  { name: "Astro", kind: "code", extensions: ["astro"] },
  { name: "Elixir", kind: "code", extensions: ["ex", "exs"] },
  { name: "Gleam", kind: "code", extensions: ["gleam"] },
  { name: "Erlang", kind: "code", extensions: ["erl", "hrl"] },
  { name: "Python", kind: "code", extensions: ["py", "pyi"] },
  { name: "Ruby", kind: "code", extensions: ["rb"] },
  { name: "PHP", kind: "code", extensions: ["php"] },
  { name: "Go", kind: "code", extensions: ["go"] },
  { name: "Rust", kind: "code", extensions: ["rs"] },
  { name: "Zig", kind: "code", extensions: ["zig"] },
  { name: "C", kind: "code", extensions: ["c", "h"] },
  { name: "C++", kind: "code", extensions: ["cc", "cpp", "cxx", "hh", "hpp"] },
  { name: "C#", kind: "code", extensions: ["cs"] },
  { name: "Java", kind: "code", extensions: ["java"] },
  { name: "Kotlin", kind: "code", extensions: ["kt", "kts"] },
  { name: "Scala", kind: "code", extensions: ["scala"] },
  { name: "Swift", kind: "code", extensions: ["swift"] },
  { name: "Dart", kind: "code", extensions: ["dart"] },
  { name: "Haskell", kind: "code", extensions: ["hs"] },
  { name: "OCaml", kind: "code", extensions: ["ml", "mli"] },
  { name: "Clojure", kind: "code", extensions: ["clj", "cljs", "cljc"] },
  { name: "Lua", kind: "code", extensions: ["lua"] },
  { name: "Perl", kind: "code", extensions: ["pl", "pm"] },
  { name: "R", kind: "code", extensions: ["r"] },
  { name: "Shell", kind: "code", extensions: ["sh", "bash", "zsh", "fish"] },
  { name: "PowerShell", kind: "code", extensions: ["ps1"] },
  { name: "SQL", kind: "code", extensions: ["sql"] },
  { name: "GraphQL", kind: "code", extensions: ["graphql", "gql"] },
  { name: "Protocol Buffers", kind: "code", extensions: ["proto"] },
  { name: "Terraform", kind: "code", extensions: ["tf"] },
  { name: "CSS", kind: "markup", extensions: ["css", "scss", "sass", "less"] },
  { name: "HTML", kind: "markup", extensions: ["html", "htm"] },
  { name: "Markdown", kind: "markup", extensions: ["md", "mdx", "markdown"] },
  { name: "XML", kind: "data", extensions: ["xml", "svg"] },
  { name: "JSON", kind: "data", extensions: ["json", "jsonc", "json5"] },
  { name: "YAML", kind: "data", extensions: ["yml", "yaml"] },
  { name: "TOML", kind: "data", extensions: ["toml"] },
];

const byExtension = new Map(
  languages.flatMap((each) => each.extensions.map((extension) => [extension, each] as const)),
);
const byFileName = new Map<string, Language>([
  ["Dockerfile", { name: "Dockerfile", kind: "code", extensions: [] }],
  ["Makefile", { name: "Makefile", kind: "code", extensions: [] }],
]);

/** The language of a file by its name; undefined where the name tells none. */
export function languageOf(path: string): { readonly name: string; readonly kind: LanguageKind } | undefined {
  const name = path.slice(path.lastIndexOf("/") + 1);
  const dot = name.lastIndexOf(".");
  return byFileName.get(name) ?? (dot > 0 ? byExtension.get(name.slice(dot + 1).toLowerCase()) : undefined);
}

/** Whether a file is TypeScript or JavaScript, which is read by its syntax. */
export function isScript(path: string): boolean {
  return /\.[cm]?[jt]sx?$/.test(path) && !/\.[cm][jt]sx$/.test(path);
}

/** Whether a file holds only declarations of types. */
export function isDeclaration(path: string): boolean {
  return /\.d\.[cm]?ts$/.test(path) || /\.d\.[^./]+\.ts$/.test(path);
}

/** Whether a file is a test or belongs to one, by the names that test runners look for. */
export function isTest(path: string): boolean {
  return (
    /(^|\/)(__tests__|__mocks__|tests?|specs?|e2e)\//.test(path) || /[.-](test|spec|bench|stories)\.[^/]+$/.test(path)
  );
}
