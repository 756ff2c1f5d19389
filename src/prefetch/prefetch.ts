/**
 * What one request will need, asked for in one flush: the first of a kit's middlewares that has to ask Redis
 * asks for the later ones, too. An answer belongs to its request, is used once, and is dropped where it is
 * not used, is old, or was read from what this process has changed since.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
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
   */
  ask(request: IncomingMessage, isAsked: (key: string) => boolean): Answer | undefined;
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
}

/** A question that was asked ahead. */
interface Asked {
  readonly follower: Follower<KitNeed>;
  readonly answer: Early;
}

/** What was asked ahead for one request. */
interface Flush {
  readonly kit: Prefetch;
  /** By `performance.now()`. */
  readonly at: number;
  readonly course: Course<KitNeed>;
  /** What is neither used nor dropped yet. */
  readonly asked: Asked[];
  /** Drops what nobody has come for, however long the request lives. */
  timer: NodeJS.Timeout | undefined;
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
    };
  }

  /** Whether those that were asked ahead, and are still to come, will let the request go on. */
  async admits(request: Carrier): Promise<boolean> {
    const asked = this.#flushOf(request)?.asked ?? [];
    const verdicts = asked.map(({ follower, answer }) => follower.who.admits(answer));
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
    const flush: Flush = { kit: this, at, course, asked: [], timer: undefined, other };
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
      if (!isExpected || who === first || (who.leavesTraces && !mayLeaveTraces)) continue;
      const answer = who.ask(request, isAsked);
      if (answer === undefined) continue;
      asked.push({ follower, answer });
      if (answer.keys.length === 0) break; // It is known to be refused, and needs nothing more.
      follower.noteAsked();
      leavesTraces ||= who.leavesTraces;
    }
    if (asked.length === 0) return;
    flush.timer = setTimeout(end, this.#patience, flush).unref();
    if (!leavesTraces) return;
    if (response.closed) end(flush);
    else response.once("close", () => end(flush));
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
    if (asked.length === 0) clearTimeout(flush.timer);
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

  ask(request: IncomingMessage, isAsked: (key: string) => boolean): Early | undefined {
    try {
      return this.#plan.ask(request, isAsked);
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

/** Drops what nobody came for. */
function end({ asked, timer }: Flush): void {
  clearTimeout(timer);
  for (const { follower, answer } of asked.splice(0)) follower.who.drop(answer);
}
