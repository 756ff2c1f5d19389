/** Ends sockets that are dead although nothing has said so: a black hole, a frozen server, a paused process's lost peer. */
import type { Socket } from "node:net";

/** The shortest silence, in milliseconds, that ends a socket which owes an answer. */
const SHORTEST = 500;

/** Watches whichever socket is in use. */
export interface Watchdog {
  /** A command got no answer in time: if nothing at all arrives for a while longer, the socket ends. */
  suspect(socket: Socket): void;
  /** A handshake began: it ends with `calm()`, or the socket does. */
  expectGreeting(socket: Socket, ms: number): void;
  calm(): void;
}

/** Makes a watchdog for commands of this deadline, in milliseconds. */
export function createWatchdog(deadline: number): Watchdog {
  let timer: NodeJS.Timeout | undefined;
  const calm = (): void => {
    clearTimeout(timer);
    timer = undefined;
  };
  const after = (ms: number, judge: () => void): void => {
    calm();
    const mine = setTimeout(() => {
      // What arrived while this process stood still is read by the poll that follows.
      setImmediate(() => {
        if (timer !== mine) return;
        timer = undefined;
        judge();
      });
    }, ms);
    timer = mine.unref();
  };
  return {
    suspect: (socket) => {
      if (timer !== undefined) return;
      const { bytesRead } = socket;
      const ms = Math.max(deadline, SHORTEST - deadline);
      after(ms, () => {
        if (socket.bytesRead > bytesRead) return;
        socket.destroy(new Error(`nothing arrived for ${ms} ms, although an answer is owed`));
      });
    },
    expectGreeting: (socket, ms) =>
      after(ms, () => socket.destroy(new Error(`no greeting within ${ms} ms`))),
    calm,
  };
}
