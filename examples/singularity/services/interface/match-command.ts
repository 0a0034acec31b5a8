/** Which command a sentence asks for, by the words it shares with the command's name and description. */

export interface Command {
  readonly capability: string;
  readonly description: string;
}

export interface Match {
  readonly capability: string;
  /** Only for comparing matches of one message. */
  readonly score: number;
  /** Whether the message has a word of its name, not only of what is told about it. */
  readonly isNamed: boolean;
}

/** A word of the name says more than one of the description, which also tells what the command does on the way. */
const nameWeight = 2;
/** `duplicates` for `duplicated` says a little less than the word itself. */
const similarWeight = 0.8;
/** So many letters at the beginning make two words similar … */
const minSharedChars = 5;
/** … and no more than so many may follow: `complexity` is not `complete`. */
const maxEndChars = 3;

/** Words of a message that are compared, each with all of every command: a sentence has fewer. */
const maxWords = 100;

/** Words that stand in any sentence, and those by which people begin one. */
const empty = new Set(
  "a again all also an and any are as at be by can could did do does for from give go has have how i if in into is it its let like list look make me my need now of on one or our out please run same show some tell that the their them then there these they this to up us use want was we what when where which who why will with would you your".split(
    " ",
  ),
);

/** Words by which people ask for what commands call otherwise. Enough to propose one; nobody has said its name. */
const meant = new Map(
  Object.entries({
    big: "size",
    huge: "size",
    large: "size",
    small: "size",
    circular: "cycle",
    cyclic: "cycle",
    complicated: "complex",
    copied: "duplicate",
    dangerous: "risky",
    unsafe: "risky",
    license: "licence",
    password: "secret",
  }),
);

/** Whether a message says nothing but what stands in any sentence: "and in" of "and in ./src?" */
export const saysNothing = (message: string): boolean => wordsOf(message).length === 0;

/** Commands that share a word with the message, the likeliest first. */
export function matchCommands(message: string, commands: readonly Command[]): Match[] {
  const asked = [...new Set(wordsOf(message))].slice(0, maxWords);
  const known = commands.map(({ capability, description }) => ({
    capability,
    name: new Set(wordsOf(capability)),
    description: new Set(wordsOf(description)),
    score: 0,
    isExact: false,
    words: [] as string[],
  }));
  for (const word of asked) {
    const meaning = meant.get(word);
    const said = known.map((command) => worthOf(word, command));
    const worths = known.map((command, index) =>
      Math.max(said[index] as number, meaning === undefined ? 0 : similarWeight * worthOf(meaning, command)),
    );
    const speakingFor = worths.filter((worth) => worth > 0).length;
    // A word that fits every command tells none of them apart.
    const weight = Math.log(1 + commands.length / Math.max(1, speakingFor));
    for (const [index, command] of known.entries()) {
      const worth = worths[index] as number;
      if (worth === 0) continue;
      command.score += worth * weight;
      if (said[index] !== 0) command.words.push(word);
      command.isExact ||= [word, meaning ?? word].some(
        (each) => hasWord(command.name, each) || hasWord(command.description, each),
      );
    }
  }
  const spelled = message.toLowerCase();
  return (
    known
      .map((command) => ({ ...command, covered: coverageOf(command) }))
      // What is only like a word of the description is most often another word.
      .filter(({ covered, isExact }) => covered > 0 || isExact)
      .map(({ capability, score, covered }) => {
        // Whoever writes out a name means it; nothing else comes near.
        const named = namesWhole(spelled, capability) ? nameWeight * asked.length * commands.length : 0;
        return { capability, score: score * (0.5 + covered / 2) + named, isNamed: covered > 0 };
      })
      .sort((a, b) => b.score - a.score || (a.capability < b.capability ? -1 : 1))
  );
}

/** The word itself, or the same of one and of several: licence and licences. */
const hasWord = (words: ReadonlySet<string>, word: string): boolean =>
  words.has(word) || words.has(`${word}s`) || (word.endsWith("s") && words.has(word.slice(0, -1)));

function worthOf(
  word: string,
  { name, description }: { readonly name: ReadonlySet<string>; readonly description: ReadonlySet<string> },
): number {
  return Math.max(nameWeight * likeness(word, name), likeness(word, description));
}

/** How much of a name was said. Of two names with one word in common, the one that has others besides was not meant. */
function coverageOf({
  name,
  words,
}: {
  readonly name: ReadonlySet<string>;
  readonly words: readonly string[];
}): number {
  const said = new Set(words);
  return [...name].filter((part) => likeness(part, said) > 0).length / Math.max(1, name.size);
}

/** `code_analysis.sizes` as one word, and not as a part of a longer one. A name like `backup` is a word as any other. */
function namesWhole(message: string, capability: string): boolean {
  if (!/[._-]/.test(capability)) return false;
  const at = message.indexOf(capability);
  if (at < 0) return false;
  const around = [message.charAt(at - 1), message.charAt(at + capability.length)];
  return around.every((character) => !/[a-z0-9_-]/.test(character)) && message.charAt(at - 1) !== ".";
}

function likeness(word: string, words: ReadonlySet<string>): number {
  if (words.has(word)) return 1;
  for (const other of words) if (isSimilar(word, other)) return similarWeight;
  return 0;
}

function isSimilar(a: string, b: string): boolean {
  let shared = 0;
  while (shared < a.length && a[shared] === b[shared]) shared++;
  const isStem = shared >= minSharedChars - 1 && shared === Math.min(a.length, b.length);
  return (isStem || shared >= minSharedChars) && Math.max(a.length, b.length) - shared <= maxEndChars;
}

const wordsOf = (text: string): string[] =>
  text
    .toLowerCase()
    .split(/[^\p{L}\p{N}]+/u)
    .filter((word) => word.length > 1 && !empty.has(word));
