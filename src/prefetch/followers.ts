/** Which middlewares ask Redis for a request after the first one has: as it was on its path, or lately on any. */
import type { IncomingMessage } from "node:http";
import { originalUrl } from "../request.ts";
import { Hints } from "./hints.ts";

/** Of how many paths it is remembered. */
const PATHS = 10_000;

/** After so many questions asked ahead it is looked how many were of use; below the share, no more are asked. */
const TRIAL = 64;
const LEAST_USE = 0.25;

/** One of those that follow. */
export class Follower<Who> {
  readonly who: Who;
  /** Whether it is asked for ahead. */
  isExpected = true;
  #asked = 0;
  #used = 0;

  constructor(who: Who) {
    this.who = who;
  }

  noteAsked(): void {
    this.#asked += 1;
    if (this.#asked < TRIAL) return;
    this.isExpected = this.#used >= TRIAL * LEAST_USE;
    this.#asked = this.#used = 0;
  }

  noteUsed(): void {
    this.#used += 1;
  }

  /** It would have been of use. */
  noteMissed(): void {
    if (!this.isExpected) this.#asked = this.#used = 0;
    this.isExpected = true;
  }
}

/** What is expected of one request, and where it is noted what really follows. */
export interface Course<Who> {
  readonly expected: readonly Follower<Who>[];
  /** Those of its path. */
  readonly path: Follower<Who>[];
}

/** Those that follow one middleware. */
export class Followers<Who> {
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

  /** Notes that `who` came, as it was expected. */
  confirm({ expected, path }: Course<Who>, follower: Follower<Who>): void {
    follower.noteUsed();
    if (expected !== path) noteIn(path, follower.who);
  }
}

function noteIn<Who>(followers: Follower<Who>[], who: Who): void {
  const known = followers.find((follower) => follower.who === who);
  if (known === undefined) followers.push(new Follower(who));
  else known.noteMissed();
}

function keyOf(request: IncomingMessage): string {
  const url = originalUrl(request);
  const end = url.indexOf("?");
  return `${request.method} ${end < 0 ? url : url.slice(0, end)}`;
}
