/** Holds back what makes a response whole until something is done: a client that has it can rely on that. */
import type { ServerResponse } from "node:http";
import {
  type CallName,
  type Calls,
  callsOf,
  freezeHeader,
  guardSocket,
  isBody,
  lateWrite,
} from "../../held-response.ts";
import { failWith } from "./reply.ts";
import { fieldsOf } from "./write-head.ts";

/** RFC 9110, section 6.4.1: statuses without a body. */
const BODILESS = new Set([204, 205, 304]);

/**
 * Runs `work` once a response is complete but for what would make it whole to the client (its end; the
 * last of the bytes, or the header, that its length declares), if it is no error; also where the client left
 * before the end of one that had begun well.
 *
 * @param work does not reject
 */
export function beforeEnd(response: ServerResponse, work: () => Promise<void>): void {
  const hold = new Hold(response, work);
  Object.assign(response, {
    writeHead: (...args: unknown[]) => hold.writeHead(args),
    flushHeaders: () => hold.flushHeaders(),
    write: (...args: unknown[]) => hold.write(args),
    end: (...args: unknown[]) => hold.end(args),
  });
  response.once("close", () => hold.closed());
}

class Hold {
  readonly #response: ServerResponse;
  readonly #work: () => Promise<void>;
  readonly #below: Calls;
  #length: number | undefined;
  #written = 0;
  /** What was said since the response would have been whole. */
  #held: [CallName, unknown[]][] | undefined;
  #isDone = false;
  #isEnded = false;

  constructor(response: ServerResponse, work: () => Promise<void>) {
    this.#response = response;
    this.#work = work;
    this.#below = callsOf(response);
  }

  writeHead(args: unknown[]): unknown {
    const length = fieldsOf(args)["content-length"];
    if (length !== undefined) this.#length = Number(length);
    // Over HTTP/2 the header leaves at once.
    const leaves = "stream" in this.#response && !this.#held && !this.#isPassing();
    if (!leaves || Number(args[0]) >= 400) return this.#pass("writeHead", args);
    this.#response.statusCode = Number(args[0]);
    if (this.#declared() !== 0) return this.#pass("writeHead", args);
    this.#hold("writeHead", args);
    return this.#response;
  }

  flushHeaders(): void {
    if (this.#isPassing()) this.#pass("flushHeaders", []);
    else if (this.#held) this.#held.push(["flushHeaders", []]);
    else if (this.#declared() === 0) this.#hold("flushHeaders", []);
    else this.#pass("flushHeaders", []);
  }

  write(args: unknown[]): unknown {
    if (this.#isEnded) return this.#held ? lateWrite(...args) : this.#pass("write", args);
    if (this.#isPassing() || !isBody(args[0])) return this.#pass("write", args);
    if (this.#held) {
      this.#held.push(["write", args]);
      return true;
    }
    this.#written += lengthOf(args);
    const declared = this.#declared();
    if (declared === undefined || this.#written < declared) return this.#pass("write", args);
    this.#hold("write", args);
    return true;
  }

  end(args: unknown[]): unknown {
    if (this.#isEnded) return this.#response;
    if (this.#held) {
      this.#isEnded = true;
      this.#held.push(["end", args]);
      return this.#response;
    }
    if (!isBody(args[0])) return this.#pass("end", args);
    if (this.#isPassing()) {
      const result = this.#pass("end", args);
      this.#isEnded = true; // Of one that threw, nothing has left: an error handler may end the response yet.
      return result;
    }
    this.#isEnded = true;
    this.#hold("end", args);
    return this.#response;
  }

  closed(): void {
    const { headersSent, statusCode } = this.#response;
    if (!this.#isDone && headersSent && statusCode < 400) void this.#run();
  }

  /** There is nothing to wait for: an error, or what was to be done is done. */
  #isPassing(): boolean {
    return !this.#held && (this.#isDone || this.#response.statusCode >= 400);
  }

  #pass(name: CallName, args: unknown[]): unknown {
    return this.#below[name].apply(this.#response, args);
  }

  /** How many bytes the client expects, if it was told. */
  #declared(): number | undefined {
    const { statusCode, req } = this.#response;
    if (BODILESS.has(statusCode) || req?.method === "HEAD") return 0;
    const field = this.#length ?? this.#response.getHeader("Content-Length");
    return field === undefined ? undefined : Number(field);
  }

  #hold(name: CallName, args: unknown[]): void {
    this.#held = [[name, args]];
    const thaw = freezeHeader(this.#response);
    const release = guardSocket(this.#response);
    const finish = async (): Promise<void> => {
      await this.#run();
      const held = this.#held!;
      this.#held = undefined;
      thaw();
      release();
      for (const [call, given] of held) this.#pass(call, given);
    };
    finish().catch((error: unknown) => {
      // What Node would have thrown at the call, had it not been held.
      if (this.#response.headersSent) {
        this.#response.destroy(error as Error);
        return;
      }
      this.#isEnded = false;
      failWith(this.#response, 500);
    });
  }

  #run(): Promise<void> {
    this.#isDone = true;
    return this.#work();
  }
}

function lengthOf([chunk, encoding]: unknown[]): number {
  if (typeof chunk === "string") {
    return Buffer.byteLength(
      chunk,
      typeof encoding === "string" ? (encoding as BufferEncoding) : "utf8",
    );
  }
  return (chunk as Uint8Array | undefined)?.byteLength ?? 0;
}
