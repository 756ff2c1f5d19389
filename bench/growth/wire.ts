/** One connection to loopback that asks one request after the other, and costs the load's core little. */
import { connect, type Socket } from "node:net";

/** What came back. */
export interface Reply {
  readonly status: number;
  /** Status line and header fields, as they came. */
  readonly head: string;
  readonly body: string;
}

interface Waiting {
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: Error) => void;
}

/** How many bytes of body follow; the app tells it of each. RFC 9112, section 6.3. */
function lengthOf(status: number, head: string): number {
  if (status === 204 || status === 304) return 0;
  return Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1]);
}

/** A complete answer at the beginning of what was received, if there is one. */
function readReply(text: string): Reply | undefined {
  const end = text.indexOf("\r\n\r\n");
  if (end < 0) return undefined;
  const head = text.slice(0, end);
  const status = Number(head.slice(9, 12));
  const length = lengthOf(status, head);
  if (Number.isNaN(length)) throw new Error(`An answer without a length: ${head}`);
  const body = text.slice(end + 4);
  return body.length < length ? undefined : { status, head, body };
}

/** Opens when it is first needed, and anew when it was closed. */
export class Wire {
  readonly #port: number;
  #socket: Socket | undefined;
  #waiting: Waiting | undefined;
  #received = "";

  constructor(port: number) {
    this.#port = port;
  }

  /** Sends one request, complete as text; rejects where no whole answer comes. */
  ask(text: string): Promise<Reply> {
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#received = "";
      this.#open().write(text);
    });
  }

  /** Sends one request and goes, as a browser does whose user was not willing to wait. */
  abandon(text: string): Promise<void> {
    return new Promise((resolve) => {
      const socket = this.#open();
      this.#socket = undefined;
      socket.write(text, () => {
        socket.destroy();
        resolve();
      });
    });
  }

  close(): void {
    this.#socket?.destroy();
    this.#socket = undefined;
  }

  #open(): Socket {
    if (this.#socket) return this.#socket;
    const socket = connect(this.#port, "127.0.0.1").setNoDelay(true).setEncoding("latin1");
    socket.on("data", (text: string) => this.#take(text));
    socket.on("error", () => {}); // Its close tells.
    socket.on("close", () => this.#lose(socket));
    this.#socket = socket;
    return socket;
  }

  #take(text: string): void {
    this.#received += text;
    const waiting = this.#waiting;
    try {
      const reply = readReply(this.#received);
      if (reply === undefined) return;
      this.#waiting = undefined;
      waiting?.resolve(reply);
    } catch (error) {
      this.#waiting = undefined;
      waiting?.reject(error as Error);
      this.close();
    }
  }

  #lose(socket: Socket): void {
    if (this.#socket !== socket) return;
    this.#socket = undefined;
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.reject(new Error("The connection was closed without an answer."));
  }
}
