/** Messages within this process: told before `publish` returns, and never missed. */
import type { Push, PushListener } from "../port.ts";

/** Messages, until they end. */
export interface MemoryPush extends Push {
  /** Tells all who listen that no more come. */
  close(): void;
}

interface Seat {
  readonly channel: string;
  readonly listener: PushListener;
}

/** Makes it. `check` throws where the connection is closed. */
export function createMemoryPush(check: () => unknown): MemoryPush {
  const seats = new Set<Seat>();
  let isClosed = false;
  return {
    publish: async (channel, message) => {
      check();
      for (const seat of seats) if (seat.channel === channel) seat.listener.message(message);
    },
    subscribe: (channel, listener) => {
      const seat = { channel, listener };
      if (!isClosed) {
        seats.add(seat);
        listener.subscribed();
      }
      return () => void seats.delete(seat);
    },
    close: () => {
      isClosed = true;
      for (const seat of seats) {
        seats.delete(seat);
        seat.listener.interrupted();
      }
    },
  };
}
