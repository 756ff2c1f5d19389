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
  /** What it is read from; nothing where it was known without asking. */
  readonly keys: readonly string[];
}

/** How one middleware's question is asked ahead. */
export interface NeedPlan<Answer extends Early> {
  /** Undefined where there is nothing to ask, or no knowing what. Calls no function of the application's. */
  ask(request: IncomingMessage): Answer | undefined;
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
   */
  take(request: IncomingMessage, response: ServerResponse): Answer | undefined;
}

/** A question that was asked ahead. */
interface Asked {
  readonly follower: Follower<KitNeed>;
  /** Undefined once it is used or dropped. */
  answer: Early | undefined;
}

/** What was asked ahead for one request. */
interface Flush {
  readonly kit: Prefetch;
  /** By `performance.now()`. */
  readonly at: number;
  readonly first: KitNeed;
  readonly course: Course<KitNeed>;
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
  readonly patience: number;
  #needs = 0;

  /** @param deadline milliseconds that an answer may take */
  constructor(deadline: number) {
    this.patience = deadline + SLACK;
    this.changes = new Changes(this.patience);
  }

  need<Answer extends Early>(plan: NeedPlan<Answer>): Need<Answer> {
    this.#needs += 1;
    return new KitNeed(this, plan) as unknown as Need<Answer>;
  }

  /** Whether those that were asked ahead, and are still to come, will let the request go on. */
  async admits(request: Carrier): Promise<boolean> {
    const newest = request[FLUSH];
    const asked = (newest && flushOf(this, newest))?.asked ?? [];
    const verdicts = asked.map(({ follower, answer }) => follower.who.admits(answer));
    return (await Promise.all(verdicts)).every(Boolean);
  }

  /** There is nobody to ask for, or to be asked by. */
  isIdle(): boolean {
    return this.#needs < 2;
  }
}

class KitNeed {
  readonly #kit: Prefetch;
  readonly #plan: NeedPlan<Early>;
  readonly #followers = new Followers<KitNeed>();

  constructor(kit: Prefetch, plan: NeedPlan<Early>) {
    this.#kit = kit;
    this.#plan = plan;
  }

  take(request: Carrier, response: ServerResponse): Early | undefined {
    if (this.#kit.isIdle()) return undefined;
    const newest = request[FLUSH];
    const flush = newest && flushOf(this.#kit, newest);
    if (flush !== undefined) return this.#takeFrom(flush);
    request[FLUSH] = this.#begin(request, response, newest);
    return undefined;
  }

  #begin(request: Carrier, response: ServerResponse, other: Flush | undefined): Flush {
    const flush: Flush = {
      kit: this.#kit,
      at: performance.now(),
      first: this,
      course: this.#followers.courseOf(request),
      asked: [],
      other,
    };
    // After its own question, and yet in the same flush.
    queueMicrotask(() => askAhead(flush, request, response));
    return flush;
  }

  #takeFrom({ kit, first, course, asked, at }: Flush): Early | undefined {
    const one = asked.find(({ follower, answer }) => follower.who === this && answer !== undefined);
    if (one === undefined) {
      first.#followers.learn(course, this);
      return undefined;
    }
    first.#followers.confirm(course, one.follower);
    const answer = one.answer!;
    one.answer = undefined;
    // What leaves traces is dropped when its time is over, and not only once somebody comes.
    const isOld = !this.leavesTraces() && performance.now() - at > kit.patience;
    if (!isOld && !kit.changes.areSince(at, answer.keys)) return answer;
    this.drop(answer);
    return undefined;
  }

  ask(request: IncomingMessage): Early | undefined {
    try {
      return this.#plan.ask(request);
    } catch {
      return undefined; // It will fail again where the request comes to it, if it comes that far.
    }
  }

  async admits(answer: Early | undefined): Promise<boolean> {
    return (answer && (await this.#plan.admits?.(answer))) ?? true;
  }

  /** Whether an answer that nobody uses must be dropped. */
  leavesTraces(): boolean {
    return this.#plan.drop !== undefined;
  }

  drop(answer: Early): void {
    this.#plan.drop?.(answer);
  }
}

function askAhead(flush: Flush, request: IncomingMessage, response: ServerResponse): void {
  let leavesTraces = false;
  for (const follower of flush.course.expected) {
    const { who, isExpected } = follower;
    const answer = isExpected ? who.ask(request) : undefined;
    if (answer === undefined) continue;
    if (answer.keys.length > 0) follower.noteAsked();
    flush.asked.push({ follower, answer });
    leavesTraces ||= who.leavesTraces();
  }
  if (leavesTraces) endInTime(flush, response);
}

function endInTime(flush: Flush, response: ServerResponse): void {
  if (response.closed) return end(flush);
  const timer = setTimeout(end, flush.kit.patience, flush).unref();
  response.once("close", () => {
    clearTimeout(timer);
    end(flush);
  });
}

function flushOf(kit: Prefetch, newest: Flush): Flush | undefined {
  let flush: Flush | undefined = newest;
  while (flush !== undefined && flush.kit !== kit) flush = flush.other;
  return flush;
}

/** Drops what nobody came for. */
function end({ asked }: Flush): void {
  for (const one of asked) {
    if (one.answer !== undefined) one.follower.who.drop(one.answer);
    one.answer = undefined;
  }
}
