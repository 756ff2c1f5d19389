/** A TCP proxy on loopback that a test can delay, silence, cut and reset. */
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";

/** A proxy in front of one server. */
export interface TcpProxy {
  readonly port: number;
  /** Connections accepted so far. */
  accepted(): number;
  /** Connections open now. */
  open(): number;
  /** All that clients have sent so far. */
  sent(): string;
  /** Holds back what the server answers, on all connections, until `release`. */
  holdAnswers(): void;
  release(): void;
  /** Refuses nothing, but connects new clients to the server only after this many milliseconds. */
  delayConnects(ms: number): void;
  /** Ends all connections: with FIN, or with RST as a crashed machine's kernel does. */
  cut(how?: "end" | "reset"): void;
  stop(): Promise<void>;
}

interface Pair {
  readonly client: Socket;
  readonly server: Socket;
}

/** Starts a proxy in front of a port, or of a unix socket. */
export async function startProxy(to: { port: number } | { path: string }): Promise<TcpProxy> {
  const pairs = new Set<Pair>();
  let connectDelay = 0;
  let held: (() => void)[] | undefined;
  let accepted = 0;
  let sent = "";

  const join = (client: Socket): void => {
    if (client.destroyed) return;
    const server = connect("path" in to ? to : { ...to, host: "127.0.0.1" });
    const pair = { client, server };
    pairs.add(pair);
    const end = (): void => {
      pairs.delete(pair);
      client.destroy();
      server.destroy();
    };
    for (const socket of [client, server]) socket.on("error", end).on("close", end);
    client.on("data", (bytes: Buffer) => {
      sent += bytes.toString("latin1");
      server.write(bytes);
    });
    server.on("data", (bytes: Buffer) => {
      if (held) held.push(() => client.write(bytes));
      else client.write(bytes);
    });
  };

  const listener = createServer((client) => {
    accepted += 1;
    client.on("error", () => client.destroy());
    if (connectDelay === 0) join(client);
    else setTimeout(() => join(client), connectDelay);
  });
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  const cut = (how: "end" | "reset" = "end"): void => {
    for (const { client, server } of pairs) {
      if (how === "reset") client.resetAndDestroy();
      else client.destroy();
      server.destroy();
    }
    pairs.clear();
  };
  return {
    port: (listener.address() as { port: number }).port,
    accepted: () => accepted,
    open: () => pairs.size,
    sent: () => sent,
    holdAnswers: () => void (held ??= []),
    release: () => {
      const answers = held ?? [];
      held = undefined;
      for (const answer of answers) answer();
    },
    delayConnects: (ms) => void (connectDelay = ms),
    cut,
    stop: async () => {
      cut();
      const closed = once(listener, "close");
      listener.close();
      await closed;
    },
  };
}
