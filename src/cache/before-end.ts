/** Holds a finished response back until something is done: a client that has read it can rely on that. */
import type { ServerResponse } from "node:http";
import { types } from "node:util";

type Call = (...args: unknown[]) => unknown;

function headersSent(): never {
  throw Object.assign(new Error("Cannot change a response after it was ended"), {
    code: "ERR_HTTP_HEADERS_SENT",
  });
}

/** Bytes that come after the end are not part of the answer. */
function lateWrite(...args: unknown[]): boolean {
  const callback = args.find((argument) => typeof argument === "function");
  const error = Object.assign(new Error("write after end"), { code: "ERR_STREAM_WRITE_AFTER_END" });
  if (callback) queueMicrotask(() => callback(error));
  return false;
}

/** What a response does while its answer is given but held: as Node's does once it has ended. */
const HELD: Readonly<Record<string, (...args: unknown[]) => unknown>> = {
  setHeader: headersSent,
  setHeaders: headersSent,
  appendHeader: headersSent,
  removeHeader: headersSent,
  writeHead: headersSent,
  flushHeaders: () => {},
  write: lateWrite,
};

/** Freezes status and header as they stand; answers what thaws them. */
function freeze(response: ServerResponse): () => void {
  const { statusCode, statusMessage } = response;
  const own = [...Object.keys(HELD), "headersSent"].map(
    (name) => [name, Object.getOwnPropertyDescriptor(response, name)] as const,
  );
  for (const [name, value] of Object.entries(HELD)) {
    Object.defineProperty(response, name, { value, configurable: true, writable: true });
  }
  Object.defineProperty(response, "headersSent", { get: () => true, configurable: true });
  const release = guardSocket(response);
  return () => {
    for (const [name, descriptor] of own) {
      if (descriptor) Object.defineProperty(response, name, descriptor);
      else Reflect.deleteProperty(response, name);
    }
    Object.assign(response, { statusCode, statusMessage });
    release();
  };
}

/**
 * Express's final handler destroys the socket where an error comes after the answer. Without a purge
 * the answer is on its way by then; here it has yet to go, so the socket goes after it.
 */
function guardSocket(response: ServerResponse): () => void {
  const { socket } = response;
  if (socket === null) return () => {};
  let isDoomed = false;
  socket.destroy = () => {
    isDoomed = true;
    return socket;
  };
  return () => {
    Reflect.deleteProperty(socket, "destroy");
    if (!isDoomed) return;
    if (socket.errored) socket.destroy();
    else response.once("finish", () => socket.destroySoon());
  };
}

/** Node refuses anything else in the call itself, where its caller can hear it. */
function isBody(chunk: unknown): boolean {
  const isAbsent = chunk === undefined || chunk === null || typeof chunk === "function";
  return isAbsent || typeof chunk === "string" || types.isUint8Array(chunk);
}

/**
 * Runs `work` once the response is complete but for its end, if it is no error; also where the client
 * left before the end of one that had begun well.
 *
 * @param work does not reject
 */
export function beforeEnd(response: ServerResponse, work: () => Promise<void>): void {
  const { end } = response as unknown as { end: Call };
  let isDone = false;
  let isEnding = false;

  const run = (): Promise<void> => {
    isDone = true;
    return work();
  };
  response.end = ((...args: unknown[]) => {
    if (isEnding) return response;
    if (!isBody(args[0])) return end.apply(response, args);
    isEnding = true;
    if (response.statusCode >= 400) return end.apply(response, args);
    const thaw = freeze(response);
    const finish = async (): Promise<void> => {
      await run();
      thaw();
      end.apply(response, args);
    };
    finish().catch((error: unknown) => response.destroy(error as Error));
    return response;
  }) as typeof response.end;
  response.once("close", () => {
    if (!isDone && response.headersSent && response.statusCode < 400) void run();
  });
}
