export async function dockerAnswers(): Promise<boolean> { return false; }
export async function dockerStack(_request: import("./stack.ts").StackRequest): Promise<import("./stack.ts").Stack> { throw new Error("not yet"); }
