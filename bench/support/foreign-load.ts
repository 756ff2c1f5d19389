/** How busy other programs keep the machine: figures taken beside them are no figures. */
import { readFileSync } from "node:fs";

/** Milliseconds of CPU that all programs together have used, or undefined where Linux does not tell. */
export function machineCpu(): number | undefined {
  let text: string;
  try {
    text = readFileSync("/proc/stat", "latin1");
  } catch {
    return undefined; // Not Linux.
  }
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = text
    .slice(0, text.indexOf("\n"))
    .split(/\s+/)
    .slice(1)
    .map(Number);
  // In clock ticks of a hundredth of a second.
  return (user + nice + system + irq + softirq + steal) * 10;
}
