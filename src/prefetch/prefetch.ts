/**
 * What one request will need, asked for in one flush: the first of a kit's middlewares that has to ask Redis
 * asks for the later ones, too. An answer belongs to its request, is used once, and is dropped where it is
 * not used, is old, or was read from what this process has changed since.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { isRefused } from "../refused.ts";
import { isClosed } from "../request.ts";
import { Changes } from "./changes.ts";
import { type Course, type Follower, Followers } from "./followers.ts";

/** An answer under way. That it may fail is for who uses it to see. */
export interface Early {
  /** What it is read from; nothing where the request is known to be refused without asking. */
  readonly keys: readonly string[];
}

/** How one middleware's question is asked ahead. */
export interface NeedPlan<Answer extends Early> {
  /**
   * Undefined where there is nothing to ask, or no knowing what. Calls no function of the application's.
   *
   * @param isAsked whether something else has been asked ahead of a key
   * @param mayLeaveTraces whether something may be asked that has to be undone
   */
  ask(
    request: IncomingMessage,
    isAsked: (key: string) => boolean,
    mayLeaveTraces: boolean,
  ): Answer | undefined;
  /** Whether the request may go on, for a middleware that decides so. */
  admits?(answer: Answer): Promise<boolean>;
  /** Undoes a question that has left something behind, and was of no use. */
  drop?(answer: Answer): void;
}

/** What one middleware needs of Redis for each request. */
export interface Need<Answer extends Early> {
  /**
   * To be called right before the middleware would ask, in the same turn: the answer, where it was asked
   * ahead. As the first of a request, asks for those that follow.
   *
   * @param key where an answer for another middleware, about that key alone, will do
   */
  take(request: IncomingMessage, response: ServerResponse, key?: string): Answer | undefined;
  /** To be called where a request has come, and needs no answer. */
  pass(request: IncomingMessage): void;
}

/** A question that was asked ahead. */
interface Asked {
  readonly follower: Follower<KitNeed>;
  readonly answer: Early;
}

/** What was asked ahead for one request. */
interface Flush {
  readonly kit: Prefetch;
  readonly response: ServerResponse;
  /** By `performance.now()`. */
  readonly at: number;
  readonly course: Course<KitNeed>;
  /** What is neither used nor dropped yet. */
  readonly asked: Asked[];
  /** Of another kit, on the same request. */
  readonly other: Flush | undefined;
}

const FLUSH: unique symbol = Symbol("express-redis-kit.flush");
type Carrier = IncomingMessage & { [FLUSH]?: Flush };

/** How much longer than the deadline of a command an answer is good for, in milliseconds. */
const SLACK = 1000;

/** Of one kit. */
export class Prefetch {
  readonly changes: Changes;
  readonly #patience: number;
  readonly #followers = new Followers<KitNeed>();
  /** With answers that nobody has come for yet; the oldest first. */
  readonly #open = new Set<Flush>();
  #isSweeping = false;
  #needs = 0;

  /** @param deadline milliseconds that an answer may take */
  constructor(deadline: number) {
    this.#patience = deadline + SLACK;
    this.changes = new Changes(this.#patience);
  }

  need<Answer extends Early>(plan: NeedPlan<Answer>): Need<Answer> {
    this.#needs += 1;
    const need = new KitNeed(plan);
    return {
      take: (request, response, key) =>
        this.#take(need, request, response, key) as Answer | undefined,
      pass: (request) => {
        const flush = this.#flushOf(request);
        if (flush) this.#takeFrom(flush, need);
      },
    };
  }

  /** Whether those that were asked ahead, and are still to come, will let the request go on. */
  async admits(request: Carrier): Promise<boolean> {
    const flush = this.#flushOf(request);
    if (flush === undefined) return true;
    const { expected, path } = flush.course;
    // On a path that is not known, those that might refuse were not asked.
    if (expected !== path && expected.some(({ who }) => who.leavesTraces)) return false;
    const verdicts = flush.asked.map(({ follower, answer }) => follower.who.admits(answer));
    return (await Promise.all(verdicts)).every(Boolean);
  }

  #take(
    need: KitNeed,
    request: Carrier,
    response: ServerResponse,
    key: string | undefined,
  ): Early | undefined {
    if (this.#needs < 2) return undefined; // There is nobody to ask for, or to be asked by.
    need.noteComing();
    const flush = this.#flushOf(request);
    if (flush === undefined) this.#begin(need, request, response);
    return flush && this.#takeFrom(flush, need, key);
  }

  #flushOf(request: Carrier): Flush | undefined {
    let flush = request[FLUSH];
    while (flush !== undefined && flush.kit !== this) flush = flush.other;
    return flush;
  }

  #begin(first: KitNeed, request: Carrier, response: ServerResponse): void {
    const course = this.#followers.courseOf(request);
    const at = performance.now();
    const other = request[FLUSH];
    const flush: Flush = { kit: this, response, at, course, asked: [], other };
    request[FLUSH] = flush;
    // After its own question, and yet in the same flush.
    if (course.expected.length > 0)
      queueMicrotask(() => this.#askAhead(flush, first, request, response));
  }

  #askAhead(flush: Flush, first: KitNeed, request: Carrier, response: ServerResponse): void {
    const { course, asked } = flush;
    // What is only a guess, and what cannot be told the end of, is asked nothing that has to be undone.
    const mayLeaveTraces = course.expected === course.path && typeof response.once === "function";
    const isAsked = (key: string): boolean => asked.some(({ answer }) => answer.keys.includes(key));
    let leavesTraces = false;
    for (const follower of course.expected) {
      const { who, isExpected } = follower;
      const answer =
        isExpected && who !== first ? who.ask(request, isAsked, mayLeaveTraces) : undefined;
      if (answer === undefined) continue;
      asked.push({ follower, answer });
      if (answer.keys.length === 0) break; // It is known to be refused, and needs nothing more.
      leavesTraces ||= who.leavesTraces;
    }
    if (asked.length === 0) return;
    this.#open.add(flush);
    if (!this.#isSweeping) this.#sweepIn(this.#patience);
    if (!leavesTraces) return;
    if (isClosed(response)) this.#end(flush);
    else response.once("close", () => this.#end(flush));
  }

  /** Drops what nobody came for, however long its request lives; one timer for all costs the least. */
  #sweepIn(ms: number): void {
    this.#isSweeping = true;
    setTimeout(() => this.#sweep(), Math.ceil(ms)).unref();
  }

  #sweep(): void {
    const now = performance.now();
    for (const flush of this.#open) {
      const left = flush.at + this.#patience - now;
      if (left > 0) return this.#sweepIn(left);
      this.#end(flush);
    }
    this.#isSweeping = false;
  }

  #end(flush: Flush): void {
    this.#open.delete(flush);
    for (const { follower, answer } of flush.asked.splice(0)) {
      // What was refused says nothing of who would have followed.
      if (!isRefused(flush.response)) follower.noteUnused();
      follower.who.drop(answer);
    }
  }

  #takeFrom(flush: Flush, need: KitNeed, key?: string): Early | undefined {
    const { course, asked, at } = flush;
    const isAboutKey = ({ answer: { keys } }: Asked) => keys.length === 1 && keys[0] === key;
    const one = asked.find(({ follower }) => follower.who === need) ?? asked.find(isAboutKey);
    if (one === undefined) {
      if (need.isLasting()) this.#followers.learn(course, need);
      return undefined;
    }
    this.#followers.confirm(course, one.follower);
    const { answer } = one;
    asked.splice(asked.indexOf(one), 1);
    if (asked.length === 0) this.#open.delete(flush);
    // What leaves traces is dropped when its time is over, and not only once somebody comes.
    const isOld = !need.leavesTraces && performance.now() - at > this.#patience;
    if (!isOld && !this.changes.areSince(at, answer.keys)) return answer;
    need.drop(answer);
    return undefined;
  }
}

class KitNeed {
  readonly #plan: NeedPlan<Early>;
  /** An answer that nobody uses must be dropped. */
  readonly leavesTraces: boolean;
  /** Those come first that decide whether a request goes on. */
  readonly rank: number;
  #times = 0;

  constructor(plan: NeedPlan<Early>) {
    this.#plan = plan;
    this.leavesTraces = plan.drop !== undefined;
    this.rank = plan.admits === undefined ? 1 : 0;
  }

  noteComing(): void {
    this.#times += 1;
  }

  /** One that comes for the first time may have been made for its request alone. */
  isLasting(): boolean {
    return this.#times > 1;
  }

  ask(...given: Parameters<NeedPlan<Early>["ask"]>): Early | undefined {
    try {
      return this.#plan.ask(...given);
    } catch {
      return undefined; // It will fail again where the request comes to it, if it comes that far.
    }
  }

  async admits(answer: Early): Promise<boolean> {
    return (await this.#plan.admits?.(answer)) ?? true;
  }

  drop(answer: Early): void {
    this.#plan.drop?.(answer);
  }
}
