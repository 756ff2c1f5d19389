/** An app whose handler answers when the test says so: the test knows who has come in, and what is rendering. */
import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import type { Middleware } from "express-redis-kit";
import { serve } from "./kit.ts";
import { type RawOptions, type RawReply, send } from "./raw.ts";
import { until } from "./redis-server.ts";
import { chain, type Handler } from "./shells.ts";

/** One run of the handler. */
export interface HeldCall {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

/** Ends a held response, or begins to. */
export type Answer = (response: ServerResponse, request: IncomingMessage) => unknown;

/** The handler alone. */
export interface HeldHandler {
  readonly handler: Handler;
  /** All runs so far, answered or not. */
  readonly calls: readonly HeldCall[];
  /** Waits until so many runs have begun in all. */
  called(count: number): Promise<void>;
  /** Answers the run of this number, counted from 0. */
  answer(index: number, answer: string | Answer): void;
  /** Answers every run that is still held, and from now on each at once. */
  answerAll(answer: string | Answer): void;
}

/** The app. */
export interface HeldApp extends HeldHandler {
  readonly url: string;
  ask(options?: RawOptions): Promise<RawReply>;
  /** Asks so many times at once. */
  askAll(count: number, options?: RawOptions): Promise<RawReply[]>;
  /** Waits until so many requests have come in all, whatever the cache does with them. */
  arrived(count: number): Promise<void>;
  /** Waits until so many clients have left before they were answered. */
  left(count: number): Promise<void>;
}

/** Makes a handler that is held. */
export function holdHandler(): HeldHandler {
  const calls: HeldCall[] = [];
  const answered = new Set<number>();
  let standing: Answer | undefined;
  const answer = (index: number, how: string | Answer): void => {
    const { request, response } = calls[index]!;
    answered.add(index);
    if (typeof how === "string") response.end(how);
    else how(response, request);
  };
  return {
    calls,
    handler: (request, response) => {
      calls.push({ request, response });
      if (standing) answer(calls.length - 1, standing);
    },
    called: (count) => until(() => calls.length >= count, `${count} runs of the handler`),
    answer,
    answerAll: (how) => {
      standing = typeof how === "string" ? (response) => response.end(how) : how;
      for (const index of calls.keys()) if (!answered.has(index)) answer(index, standing);
    },
  };
}

/** Counts who comes, and who leaves unanswered. */
function createDoor(): { middleware: Middleware; came: () => number; left: () => number } {
  let [came, left] = [0, 0];
  return {
    middleware: (_request, response, next) => {
      came += 1;
      response.once("close", () => (left += response.writableFinished ? 0 : 1));
      next();
    },
    came: () => came,
    left: () => left,
  };
}

/** Serves the middlewares above a held handler, under a shell of `shells.ts`. Default: node:http alone. */
export async function serveHeld(
  middlewares: readonly Middleware[],
  listener: (middlewares: readonly Middleware[], handler: Handler) => RequestListener = chain,
): Promise<HeldApp> {
  const held = holdHandler();
  const door = createDoor();
  const url = await serve(listener([door.middleware, ...middlewares], held.handler));
  const ask = (options: RawOptions = {}): Promise<RawReply> => send(url, options);
  return {
    ...held,
    url,
    ask,
    askAll: (count, options) => Promise.all(Array.from({ length: count }, () => ask(options))),
    arrived: (count) => until(() => door.came() >= count, `${count} requests came`),
    left: (count) => until(() => door.left() >= count, `${count} clients left`),
  };
}
