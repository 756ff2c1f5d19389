/** Holds a response's bytes back, below whatever else wraps it, until the request's session is stored. */
import { ServerResponse } from "node:http";
import {
  type Call,
  callBack,
  type CallName,
  type Calls,
  callsOf,
  isBody,
} from "../held-response.ts";
import { type Gate, HeldAnswer, noteListening } from "./held-answer.ts";
import { findState, type HeldCalls, type SessionState } from "./state.ts";
import { takeFields } from "./written-fields.ts";

const NODE = callsOf(ServerResponse.prototype);

/** Sits between a response's calls and what is below them. */
class Held implements HeldCalls {
  readonly response: ServerResponse;
  readonly #gate: Gate;
  readonly #below: Calls;
  readonly #listening: Set<Call> | undefined;
  #answer: HeldAnswer | undefined;
  #isDiscarding = false;
  #isPassing = false;
  #isEnded = false;

  constructor(response: ServerResponse, gate: Gate, below: Calls) {
    this.response = response;
    this.#gate = gate;
    this.#below = below;
    this.#listening = noteListening(response);
  }

  give(name: CallName, args: unknown[]): unknown {
    // Node's `write` and `end` call `writeHead` themselves; so do wrappers below that end later.
    if (this.#isPassing || (this.#isEnded && name !== "end")) return this.#call(name, args);
    if (this.#isDiscarding) return discard(this.response, name, args);
    if ((name === "write" || name === "end") && !isBody(args[0])) return this.#pass(name, args);
    if (this.#answer) return this.#answer.take(name, args);
    const isEnd = name === "end";
    if (isEnd && this.#isEnded) return discard(this.response, name, args);
    const work = isEnd || !this.response.headersSent ? this.#gate.work() : undefined;
    if (work === undefined) return this.#pass(name, args);
    this.#answer = new HeldAnswer(this.response, this.#gate, this.#listening);
    void this.#hold(this.#answer, work);
    return this.#answer.take(name, args);
  }

  #pass = (name: CallName, args: unknown[]): unknown => {
    this.#isPassing = true;
    try {
      const result = this.#call(name, args);
      // Of one that threw, nothing has left: an error handler may end the response yet.
      this.#isEnded ||= name === "end";
      return result;
    } finally {
      this.#isPassing = false;
    }
  };

  #call(name: CallName, args: unknown[]): unknown {
    if (name !== "writeHead" || this.response.headersSent)
      return this.#below[name].apply(this.response, args);
    const status = takeFields(this.response, args);
    this.#gate.onHeader();
    return this.#below.writeHead.apply(this.response, status);
  }

  async #hold(answer: HeldAnswer, first: Promise<void>): Promise<void> {
    const failure = await answer.wait(first);
    this.#answer = undefined;
    try {
      if (failure) throw failure.error;
      answer.release(this.#pass);
    } catch (error) {
      // Of the wait, or what Node would have thrown at a call, had it not been held.
      this.#fail(answer, error, failure !== undefined);
    }
  }

  #fail(answer: HeldAnswer, error: unknown, isOfWait: boolean): void {
    try {
      if (!this.response.headersSent) {
        this.#isDiscarding = true;
        answer.discard();
        // What is below has begun to work on the answer that Node refused: past that, too.
        this.#gate.answerInstead(error, isOfWait ? this.#below : NODE);
        return;
      }
      this.#gate.report(error);
      if (isOfWait) answer.release(this.#pass);
      else this.response.destroy();
    } catch {
      // Someone else's listener threw: of `drain`, or when the header left. The client must not wait for ever.
      this.response.destroy();
    }
  }
}

const NAMES: readonly CallName[] = ["writeHead", "write", "end", "flushHeaders"];

/** Where the calls stand that were there before those of an app's responses were wrapped; once for all copies of the package. */
const BELOW: unique symbol = Symbol.for("express-redis-kit.below") as never;

/** An Express app, as far as its responses need it. */
interface App {
  readonly parent?: App;
  readonly response?: object;
}

/**
 * What all responses of an Express app inherit from, those of its sub-apps included. Express changes the
 * prototype of each response when it enters an app, and V8 then takes 2 to 5 µs for every property that
 * is added to it: four of them were a fifth of what a read costs. So the calls are wrapped once an app.
 */
function sharedBy(response: ServerResponse): object | undefined {
  let app = (response.req as { app?: App } | undefined)?.app;
  while (app?.parent) app = app.parent;
  const shared = app?.response;
  const isShared = shared !== undefined && Object.prototype.isPrototypeOf.call(shared, response);
  return isShared && !NAMES.some((name) => Object.hasOwn(response, name)) ? shared : undefined;
}

function wrapShared(shared: object): Calls {
  const below = callsOf(shared);
  for (const name of NAMES) {
    const call = function wrapped(this: ServerResponse, ...args: unknown[]): unknown {
      const held = findState(this.req)?.held;
      return held?.response === this ? held.give(name, args) : below[name].apply(this, args);
    };
    Object.defineProperty(shared, name, { value: call, configurable: true, writable: true });
  }
  Object.defineProperty(shared, BELOW, { value: below });
  return below;
}

/** Wraps a response's calls. To be called before anything that is mounted later wraps them, too. */
export function holdBack(response: ServerResponse, gate: Gate, state: SessionState): void {
  const shared = sharedBy(response);
  if (shared) {
    const known = (shared as { [BELOW]?: Calls })[BELOW];
    state.held = new Held(response, gate, known ?? wrapShared(shared));
    return;
  }
  const held = new Held(response, gate, callsOf(response));
  for (const name of NAMES) {
    const value = (...args: unknown[]): unknown => held.give(name, args);
    Object.defineProperty(response, name, { value, configurable: true, writable: true });
  }
}

/** A call of someone whose answer was dropped. */
function discard(response: ServerResponse, name: CallName, args: readonly unknown[]): unknown {
  callBack(args);
  return name === "write" ? true : response;
}
