/** What every subject is asked, and answers with the next number: some 128 characters of JSON. */
export interface Message {
  readonly n: number;
  readonly text: string;
}

const text = "a question of some length, as agents ask each other: with what it is about, and what for, in a sentence.";

export const messageOf = (n: number): Message => ({ n, text });

/** What a right answer is. Every subject's answers are checked by this one. */
export function checkAnswer(asked: Message, answered: Message): void {
  if (answered.n !== asked.n + 1 || answered.text !== asked.text)
    throw new Error(`${asked.n} was answered with ${JSON.stringify(answered)}.`);
}
