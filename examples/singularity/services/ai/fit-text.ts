/** Making a text fit a number of tokens: first without what says nothing, then, where that is not enough, without its end. */
import { estimateTokens } from "./estimate-tokens.ts";

/** What was taken out of a text, how often, and how many characters in all. */
export type Removal = {
  readonly what: "white space" | "repeated paragraph" | "boilerplate" | "end";
  readonly count: number;
  readonly chars: number;
  /** The beginnings of the first ones, for the reader to recognise them. */
  readonly examples: readonly string[];
};

export interface FittedText {
  readonly text: string;
  readonly removed: readonly Removal[];
}

/** Shorter paragraphs ("Yes.", "---") may well stand twice on purpose. */
const minRepeatedChars = 40;
const maxExamples = 3;
const maxExampleChars = 80;

/**
 * Sentences that say nothing about the matter, by which answers begin or end. Only whole sentences in the first and the last
 * paragraph are looked at; the same words inside a text may be what it is about.
 */
const openings = [
  /^(certainly|sure|sure thing|of course|absolutely|great question|good question|i'd be happy to help)(, (here|i'll|i will|i can|let me)\b[^.!?:]{0,60})?[.!:]\s*$/iu,
  /^as (an ai|a large language model)\b.*[.!]\s*$/iu,
  /^here('s| is| are) (the|a|an|your|my)\b[^.!?]{0,80}:\s*$/iu,
];
const closings = [
  /^(i hope (this|that|it) helps|hope (this|that) helps)\b.*[.!]\s*$/iu,
  /^(please )?(let me know if|feel free to|don't hesitate to)\b.*[.!?]\s*$/iu,
  /^(is there anything else|would you like me to)\b.*\?\s*$/iu,
];

/** Fits a text into so many estimated tokens. Text between fences (``` or ~~~) is only ever taken out or cut as a whole. */
export function fitText(text: string, maxTokens: number): FittedText {
  const lines = text.toWellFormed().replace(/\r\n?/g, "\n");
  const blocks = splitBlocks(lines);
  const spared = lines.length - joinBlocks(blocks).length;
  const removed: Removal[] = spared > 0 ? [{ what: "white space", count: 1, chars: spared, examples: [] }] : [];
  const note = (what: Removal["what"], taken: readonly string[]): void => {
    if (taken.length === 0) return;
    const chars = taken.reduce((sum, each) => sum + each.length, 0);
    removed.push({ what, count: taken.length, chars, examples: taken.slice(0, maxExamples).map(beginningOf) });
  };

  const single = dropRepeats(blocks);
  note("repeated paragraph", single.dropped);
  const plain = dropBoilerplate(single.kept);
  note("boilerplate", plain.dropped);
  const fitting = cutEnd(plain.kept, maxTokens);
  note("end", fitting.dropped);
  return { text: joinBlocks(fitting.kept), removed };
}

/** The text up to its last whole sentence; all of it where it has none. For texts that were cut elsewhere. */
export function toWholeSentences(text: string): string {
  const last = /^[\s\S]*[.!?。！？]["'”’)]*(?=\s|$)/u.exec(text.trimEnd());
  return last === null ? text.trimEnd() : last[0];
}

interface Block {
  readonly text: string;
  readonly isFenced: boolean;
}

/** Paragraphs without white space at the ends of their lines, and fenced blocks as they are. */
function splitBlocks(text: string): Block[] {
  const blocks: Block[] = [];
  let lines: string[] = [];
  let fence: string | undefined;
  const close = (isFenced: boolean): void => {
    if (lines.length > 0) blocks.push({ text: lines.join("\n"), isFenced });
    lines = [];
  };
  for (const line of text.split("\n")) {
    const mark = /^ {0,3}(`{3,}|~{3,})/.exec(line)?.[1];
    if (fence !== undefined) {
      lines.push(line);
      if (mark?.startsWith(fence) && line.trim() === mark) {
        close(true);
        fence = undefined;
      }
    } else if (mark !== undefined) {
      close(false);
      lines.push(line);
      fence = mark;
    } else if (line.trim() === "") close(false);
    else lines.push(line.trimEnd());
  }
  // A fence that is never closed holds all that follows.
  close(fence !== undefined);
  return blocks;
}

const joinBlocks = (blocks: readonly Block[]): string => blocks.map(({ text }) => text).join("\n\n");

interface Dropped {
  readonly kept: Block[];
  readonly dropped: string[];
}

/** Keeps the first of paragraphs that say the same, whatever their white space. */
function dropRepeats(blocks: readonly Block[]): Dropped {
  const seen = new Set<string>();
  const kept: Block[] = [];
  const dropped: string[] = [];
  for (const block of blocks) {
    const same = block.text.replace(/\s+/g, " ").trim();
    if (same.length >= minRepeatedChars && seen.has(same)) dropped.push(block.text);
    else kept.push(block);
    seen.add(same);
  }
  return { kept, dropped };
}

function dropBoilerplate(blocks: readonly Block[]): Dropped {
  const dropped: string[] = [];
  let kept = [...blocks];
  const trim = (at: "first" | "last", patterns: readonly RegExp[]): void => {
    const block = at === "first" ? kept[0] : kept.at(-1);
    if (block === undefined || block.isFenced) return;
    const sentences = splitSentences(block.text);
    const isEmpty = (sentence: string | undefined): boolean =>
      sentence !== undefined && patterns.some((pattern) => pattern.test(sentence.trim()));
    while (isEmpty(at === "first" ? sentences[0] : sentences.at(-1))) {
      dropped.push(((at === "first" ? sentences.shift() : sentences.pop()) as string).trim());
    }
    const text = sentences.join("").trim();
    const rest = at === "first" ? kept.slice(1) : kept.slice(0, -1);
    const left = text === "" ? [] : [{ text, isFenced: false }];
    kept = at === "first" ? [...left, ...rest] : [...rest, ...left];
  };
  trim("first", openings);
  trim("last", closings);
  // A text of nothing else is left as it is: an empty answer would say less.
  return kept.length === 0 ? { kept: [...blocks], dropped: [] } : { kept, dropped };
}

/** Keeps blocks from the beginning while they fit, the last one sentence by sentence, its first sentence word by word if need be. */
function cutEnd(blocks: readonly Block[], maxTokens: number): Dropped {
  const kept: Block[] = [];
  let left = maxTokens;
  for (const [index, block] of blocks.entries()) {
    // The break between two paragraphs counts as well.
    const tokens = estimateTokens(index === 0 ? block.text : `\n\n${block.text}`);
    if (tokens <= left) {
      kept.push(block);
      left -= tokens;
      continue;
    }
    const room = index === 0 ? left : left - 1;
    const part = block.isFenced ? "" : cutPieces(splitSentences(block.text), room);
    const piece = part === "" && kept.length === 0 ? cutPieces(splitWords(block.text), room) : part;
    if (piece !== "") kept.push({ ...block, text: piece });
    const rest = block.text.slice(piece.length).trim();
    return { kept, dropped: [rest, ...blocks.slice(index + 1).map(({ text }) => text)] };
  }
  return { kept, dropped: [] };
}

/** As many pieces from the beginning as fit together. */
function cutPieces(pieces: readonly string[], maxTokens: number): string {
  let tokens = 0;
  let end = 0;
  for (const piece of pieces) {
    tokens += estimateTokens(piece);
    if (tokens > maxTokens) break;
    end++;
  }
  return pieces.slice(0, end).join("").trimEnd();
}

const sentences = new Intl.Segmenter("en", { granularity: "sentence" });
const words = new Intl.Segmenter("en", { granularity: "word" });

const splitSentences = (text: string): string[] => [...sentences.segment(text)].map(({ segment }) => segment);
const splitWords = (text: string): string[] => [...words.segment(text)].map(({ segment }) => segment);

const beginningOf = (text: string): string =>
  text.length <= maxExampleChars ? text : `${text.slice(0, maxExampleChars - 1).toWellFormed()}…`;
