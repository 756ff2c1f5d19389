/** Holds a response's bytes back, below whatever else wraps it, until the request's session is stored. */
import type { ServerResponse } from "node:http";
import { freezeHeader, guardSocket, isBody, lateWrite } from "../held-response.ts";

/** Asked before bytes leave. */
export interface Gate {
  /** What the header has to wait for; undefined where it may leave at once. */
  beforeHeader: () => Promise<void> | undefined;
  /** What the end has to wait for; undefined where it may leave at once. */
  beforeEnd: () => Promise<void> | undefined;
  /** The wait failed before the header left. Answers with `below`, in place of all that was held. */
  answerInstead: (error: unknown, below: Below) => void;
  /** The wait failed after the header left. */
  report: (error: unknown) => void;
}

type Call = (...args: unknown[]) => unknown;
type Name = "writeHead" | "write" | "end" | "flushHeaders";

/** The response's calls as they were before they were wrapped. */
export type Below = Readonly<Record<Name, Call>>;

/** One answer while it is held: the calls that gave it, in their order. */
class HeldAnswer {
  readonly #response: ServerResponse;
  readonly #gate: Gate;
  readonly #calls: [Name, unknown[]][] = [];
  readonly #thaw: () => void;
  readonly #wake: () => void;
  #letGo = (): void => {};
  #isEnded = false;

  constructor(response: ServerResponse, gate: Gate) {
    this.#response = response;
    this.#gate = gate;
    this.#wake = noteWaiting(response);
    this.#thaw = response.headersSent ? () => {} : freezeHeader(response);
  }

  take(name: Name, args: unknown[]): unknown {
    if (this.#isEnded) return name === "write" ? lateWrite(...args) : this.#response;
    this.#calls.push([name, args]);
    if (name === "write") return false;
    if (name === "end") {
      this.#isEnded = true;
      this.#letGo = guardSocket(this.#response);
    }
    return this.#response;
  }

  /** Waits; what the application changed while the answer was held has to be stored, too. Answers what failed. */
  async wait(first: Promise<void>): Promise<{ readonly error: unknown } | undefined> {
    try {
      await first;
      if (this.#isEnded) await this.#gate.beforeEnd();
      return undefined;
    } catch (error) {
      return { error };
    } finally {
      this.#thaw();
    }
  }

  /** Gives the answer, by the calls that it was given with. */
  release(pass: (name: Name, args: unknown[]) => unknown): void {
    let isRoom = true;
    for (const [name, args] of this.#calls) {
      const result = pass(name, args);
      if (name === "write") isRoom = result !== false;
    }
    this.#letGo();
    // Where there is no room below, whoever waits is told from there.
    if (isRoom && !this.#isEnded) this.#wake();
  }

  /** The answer is dropped; whoever goes on giving it is left in the belief that it leaves. */
  discard(): void {
    this.#letGo();
    for (const [, args] of this.#calls) callBack(args);
    if (!this.#isEnded) this.#wake();
  }
}

/**
 * Notes who begins to wait with further bytes; answers what tells them to go on. An event would not
 * reach all: compression, mounted before, takes listeners of `drain` to a stream of its own.
 */
function noteWaiting(response: ServerResponse): () => void {
  const own = Object.getOwnPropertyDescriptor(response, "on");
  const on = response.on.bind(response) as (name: string, listener: Call) => unknown;
  const waiting = new Set<Call>();
  const note = (name: string, listener: Call): unknown => {
    if (name === "drain") waiting.add(listener);
    return on(name, listener);
  };
  Object.defineProperty(response, "on", { value: note, configurable: true, writable: true });
  return () => {
    if (own) Object.defineProperty(response, "on", own);
    else Reflect.deleteProperty(response, "on");
    for (const listener of response.rawListeners("drain")) waiting.add(listener as Call);
    for (const listener of waiting) listener.call(response);
  };
}

function callBack(args: readonly unknown[]): void {
  const callback = args.find((argument) => typeof argument === "function");
  if (callback) queueMicrotask(() => callback());
}

/** Wraps a response's calls. To be called before anything that is mounted later wraps them, too. */
export function holdBack(response: ServerResponse, gate: Gate): void {
  const { writeHead, write, end, flushHeaders } = response as unknown as Record<Name, Call>;
  const below: Below = { writeHead, write, end, flushHeaders };
  let held: HeldAnswer | undefined;
  let isDiscarding = false;
  let isPassing = false;
  let isEnded = false;

  const pass = (name: Name, args: unknown[]): unknown => {
    isPassing = true;
    try {
      return below[name].apply(response, args);
    } finally {
      isPassing = false;
    }
  };
  const hold = async (answer: HeldAnswer, first: Promise<void>): Promise<void> => {
    const failure = await answer.wait(first);
    held = undefined;
    if (failure && !response.headersSent) {
      isDiscarding = true;
      answer.discard();
      gate.answerInstead(failure.error, below);
      return;
    }
    if (failure) gate.report(failure.error);
    try {
      answer.release(pass);
    } catch (error) {
      // What Node would have thrown at the call, had it not been held.
      gate.report(error);
      response.destroy();
    }
  };
  const give = (name: Name, args: unknown[]): unknown => {
    // Node's `write` and `end` call `writeHead` themselves; what it would wait for is stored by then.
    if (isPassing) return below[name].apply(response, args);
    if (isDiscarding) return discard(response, name, args);
    if ((name === "write" || name === "end") && !isBody(args[0])) return pass(name, args);
    if (held) return held.take(name, args);
    if (name === "end") {
      if (isEnded) return response;
      isEnded = true;
    }
    const work = name === "end" ? gate.beforeEnd() : waitOfHeader();
    if (work === undefined) return pass(name, args);
    held = new HeldAnswer(response, gate);
    void hold(held, work);
    return held.take(name, args);
  };
  const waitOfHeader = () => (response.headersSent ? undefined : gate.beforeHeader());

  Object.assign(response, {
    writeHead: (...args: unknown[]) => give("writeHead", args),
    write: (...args: unknown[]) => give("write", args),
    end: (...args: unknown[]) => give("end", args),
    flushHeaders: (...args: unknown[]) => give("flushHeaders", args),
  });
}

/** A call of someone whose answer was dropped. */
function discard(response: ServerResponse, name: Name, args: readonly unknown[]): unknown {
  callBack(args);
  return name === "write" ? true : response;
}
