// What we use of it, for the type checker.
export class Lexer {
  constructor(options?: { gfm?: boolean });
  lex(source: string): any[];
}
