/** Which middlewares ask Redis for a request after the first one has: as it was on its path, or lately on any. */
import type { IncomingMessage } from "node:http";
import { originalUrl } from "../request.ts";
import { Hints } from "./hints.ts";

/** Of how many paths it is remembered, and how many middlewares each. */
const PATHS = 10_000;
const MOST = 32;

/** Over how many questions its use is averaged; below the one share no more are asked ahead, above the other they are again. */
const MEMORY = 64;
const USELESS = 0.25;
const USEFUL = 0.75;

/** The lower comes first. */
interface Ranked {
  readonly rank: number;
}

/** One that may follow. */
export class Follower<Who extends Ranked> {
  readonly who: Who;
  /** Whether it is asked for ahead. */
  isExpected = true;
  /** Of the latest questions for it, and of its comings without one, the share in which it came. */
  #use = 1;

  constructor(who: Who) {
    this.who = who;
  }

  /** It came. */
  noteComing(): void {
    this.#use += (1 - this.#use) / MEMORY;
    if (this.#use > USEFUL) this.isExpected = true;
  }

  /** It was asked for, and did not come. */
  noteUnused(): void {
    this.#use -= this.#use / MEMORY;
    if (this.#use < USELESS) this.isExpected = false;
  }
}

/** What is expected of one request, and where it is noted what really follows. */
export interface Course<Who extends Ranked> {
  readonly expected: readonly Follower<Who>[];
  /** Those of its path. */
  readonly path: Follower<Who>[];
}

/** Of one kit. */
export class Followers<Who extends Ranked> {
  readonly #paths = new Hints<Follower<Who>[]>(PATHS);
  readonly #anywhere: Follower<Who>[] = [];

  /** A path that is not known is expected to go on as those before it did. */
  courseOf(request: IncomingMessage): Course<Who> {
    const key = keyOf(request);
    const known = this.#paths.get(key);
    if (known !== undefined) return { expected: known, path: known };
    const path: Follower<Who>[] = [];
    this.#paths.set(key, path);
    return { expected: this.#anywhere, path };
  }

  /** Notes that `who` came, and was not expected. */
  learn({ path }: Course<Who>, who: Who): void {
    noteIn(path, who);
    noteIn(this.#anywhere, who);
  }

  /** Notes that one came, as it was expected. */
  confirm({ expected, path }: Course<Who>, follower: Follower<Who>): void {
    follower.noteComing();
    if (expected !== path) noteIn(path, follower.who);
  }
}

function noteIn<Who extends Ranked>(followers: Follower<Who>[], who: Who): void {
  const known = followers.find((follower) => follower.who === who);
  if (known !== undefined) return known.noteComing();
  if (followers.length === MOST) {
    const idle = followers.findIndex(({ isExpected }) => !isExpected);
    followers.splice(idle < 0 ? MOST - 1 : idle, 1);
  }
  followers.push(new Follower(who));
  followers.sort((one, other) => one.who.rank - other.who.rank);
}

function keyOf(request: IncomingMessage): string {
  const url = originalUrl(request);
  const end = url.indexOf("?");
  return `${request.method} ${end < 0 ? url : url.slice(0, end)}`;
}
