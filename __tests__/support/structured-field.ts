/** Reads a List of Items with parameters (RFC 8941, section 4.2), as strictly as the RFC asks. */

/** A token is told from a string by its class; both compare by `String()`. */
export class Token {
  readonly name: string;
  constructor(name: string) {
    this.name = name;
  }
  toString(): string {
    return this.name;
  }
}

/** What an Item or a parameter can be here: no decimals and no bytes are used. */
export type Bare = Token | string | number | boolean;

/** One member of the list. */
export interface Member {
  readonly item: Bare;
  readonly parameters: ReadonlyMap<string, Bare>;
}

/** Takes the text apart from its beginning. */
class Cursor {
  #rest: string;
  constructor(text: string) {
    this.#rest = text;
  }
  get isAtEnd(): boolean {
    return this.#rest === "";
  }
  /** The match at the beginning, which is taken off. */
  take(pattern: RegExp): string | undefined {
    const match = pattern.exec(this.#rest);
    if (match?.index !== 0) return undefined;
    this.#rest = this.#rest.slice(match[0].length);
    return match[0];
  }
  need(pattern: RegExp, what: string): string {
    const text = this.take(pattern);
    if (text === undefined) throw new Error(`No ${what} at '${this.#rest}'.`);
    return text;
  }
}

function readBare(cursor: Cursor): Bare {
  const string = cursor.take(/^"(?:[ !#-[\]-~]|\\["\\])*"/);
  if (string !== undefined) return string.slice(1, -1).replaceAll(/\\(["\\])/g, "$1");
  const boolean = cursor.take(/^\?[01]/);
  if (boolean !== undefined) return boolean === "?1";
  const integer = cursor.take(/^-?\d{1,15}(?![\d.])/);
  if (integer !== undefined) return Number(integer);
  return new Token(cursor.need(/^[A-Za-z*][\w!#$%&'*+\-.^`|~:/]*/, "item"));
}

function readMember(cursor: Cursor): Member {
  const item = readBare(cursor);
  const parameters = new Map<string, Bare>();
  while (cursor.take(/^;/) !== undefined) {
    cursor.take(/^ */);
    const key = cursor.need(/^[a-z*][a-z\d_\-.*]*/, "key");
    parameters.set(key, cursor.take(/^=/) === undefined ? true : readBare(cursor));
  }
  return { item, parameters };
}

/** @throws where the text is no List */
export function parseList(text: string): Member[] {
  const cursor = new Cursor(text.trim());
  const members: Member[] = [];
  while (!cursor.isAtEnd) {
    members.push(readMember(cursor));
    cursor.take(/^[ \t]*/);
    if (cursor.isAtEnd) break;
    cursor.need(/^,[ \t]*(?=.)/, "comma with a member after it");
  }
  return members;
}
