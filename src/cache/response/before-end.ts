/** Holds a finished response back until something is done: a client that has read it can rely on that. */
import type { ServerResponse } from "node:http";
import { freezeHeader, guardSocket, isBody, lateWrite } from "../../held-response.ts";

type Call = (...args: unknown[]) => unknown;

/** As Node's response once it has ended; answers what undoes it. */
function holdEnded(response: ServerResponse): () => void {
  const thaw = freezeHeader(response);
  const own = Object.getOwnPropertyDescriptor(response, "write");
  Object.defineProperty(response, "write", {
    value: lateWrite,
    configurable: true,
    writable: true,
  });
  const release = guardSocket(response);
  return () => {
    if (own) Object.defineProperty(response, "write", own);
    else Reflect.deleteProperty(response, "write");
    thaw();
    release();
  };
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
    if (response.statusCode >= 400) {
      const result = end.apply(response, args);
      isEnding = true; // Of one that threw, nothing has left: an error handler may end the response yet.
      return result;
    }
    isEnding = true;
    const thaw = holdEnded(response);
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
