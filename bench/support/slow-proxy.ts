/** A TCP proxy on loopback that holds back all that passes, as a long way to Redis does. */
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";

/** A proxy in front of one server. */
export interface SlowProxy {
  readonly port: number;
  /** Holds back what comes from now on, in each direction. To be changed while nothing is under way. */
  setDelay(ms: number): void;
  stop(): Promise<void>;
}

/** Starts a proxy in front of a port of loopback, without a delay at first. */
export async function startSlowProxy(to: number): Promise<SlowProxy> {
  const sockets = new Set<Socket>();
  let delay = 0;
  const pass = (from: Socket, into: Socket): void => {
    sockets.add(from);
    from.setNoDelay(true);
    from.on("data", (bytes) => {
      const write = (): void => void (into.destroyed || into.write(bytes));
      // Timers of one duration run in the order in which they were set, so bytes stay in theirs.
      if (delay === 0) write();
      else setTimeout(write, delay);
    });
    from.on("error", () => from.destroy());
    from.on("close", () => {
      sockets.delete(from);
      into.destroy();
    });
  };
  const listener = createServer((client) => {
    const server = connect(to, "127.0.0.1");
    pass(client, server);
    pass(server, client);
  });
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  return {
    port: (listener.address() as { port: number }).port,
    setDelay: (ms) => void (delay = ms),
    stop: async () => {
      for (const socket of sockets) socket.destroy();
      const closed = once(listener, "close");
      listener.close();
      await closed;
    },
  };
}
