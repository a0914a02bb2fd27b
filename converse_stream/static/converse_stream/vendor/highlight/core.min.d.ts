// What we use of it, for the type checker.
declare const library: any;
export default library;
