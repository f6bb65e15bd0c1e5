/** A class with `@tap.observe()`, in the syntax that the runtime will have one day. */
import type { Tap } from "../../src/index.ts";

// oxlint-disable-next-line typescript/explicit-module-boundary-types -- a class of its own
export function makeAgent(tap: Tap) {
  class Agent {
    prefix = "> ";

    @tap.observe({ kind: "agent" })
    async run(question: string): Promise<string> {
      return this.prefix + this.look(question);
    }

    @tap.observe({ kind: "tool", name: "lookup" })
    look = (question: string): string => `${this.prefix}${question}`;

    @tap.observe()
    get mood(): string {
      return `${this.prefix}good`;
    }

    @tap.observe()
    static shared(): number {
      return 1;
    }
  }
  return Agent;
}
