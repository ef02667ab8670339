//! The grammar of expressions, by recursive descent.

use std::borrow::Cow;

use super::lex::{Kind, Token, normalized, tokenize};
use super::literal::{Literal, number};
use super::target::is_target;
use super::{
    Binary, Clause, Comparison, Constant, Expr, Keyword, MAX_DEPTH, Parameter, Parameters, ParseError, Unary,
    format_string,
};
use crate::value::Str;

/// Parses one expression, or several with commas between them, which are then a tuple.
///
/// # Errors
/// If `ast.parse(source, mode="eval")` raises.
pub fn parse(source: &str) -> Result<Expr, ParseError> {
    if let Some(at) = source.find('\0') {
        return Err(ParseError { at, what: "a null byte" });
    }
    let source = if source.contains('\r') {
        Cow::Owned(source.replace("\r\n", "\n").replace('\r', "\n"))
    } else {
        Cow::Borrowed(source)
    };
    let mut parser = Parser::new(&source, 0)?;
    let expression = parser.expressions()?;
    while parser.accept(Kind::Newline) {}
    parser.expect(Kind::End, "something after the expression")?;
    Ok(expression)
}

/// Parses the expression of an f-string's field; `depth` is that of the f-string.
pub(super) fn parse_field(source: &str, depth: usize) -> Result<Expr, ParseError> {
    let source = format!("({source})");
    let mut parser = Parser::new(&source, depth)?;
    let expression = parser.star_expressions()?;
    parser.expect(Kind::End, "something after the expression of a field")?;
    Ok(expression)
}

type Parsed<T = Expr> = Result<T, ParseError>;

struct Parser<'a> {
    source: &'a str,
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn new(source: &'a str, depth: usize) -> Parsed<Self> {
        Ok(Self { source, tokens: tokenize(source)?, at: 0, depth })
    }

    fn peek(&self) -> Kind {
        self.tokens[self.at].kind
    }

    fn peek_after(&self) -> Kind {
        self.tokens.get(self.at + 1).map_or(Kind::End, |token| token.kind)
    }

    fn fail<T>(&self, what: &'static str) -> Parsed<T> {
        Err(ParseError { at: self.tokens[self.at].start, what })
    }

    fn advance(&mut self) -> Token {
        let token = self.tokens[self.at];
        if self.at + 1 < self.tokens.len() {
            self.at += 1;
        }
        token
    }

    fn accept(&mut self, kind: Kind) -> bool {
        let is = self.peek() == kind;
        if is {
            self.advance();
        }
        is
    }

    fn expect(&mut self, kind: Kind, what: &'static str) -> Parsed<Token> {
        if self.peek() == kind { Ok(self.advance()) } else { self.fail(what) }
    }

    fn name(&mut self) -> Parsed<Str> {
        let token = self.expect(Kind::Name, "no name where one must stand")?;
        Ok(normalized(&self.source[token.start..token.end]))
    }

    /// Runs a rule one level deeper.
    fn nested<T>(&mut self, rule: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth >= MAX_DEPTH {
            return self.fail("an expression too deep");
        }
        self.depth += 1;
        let result = rule(self);
        self.depth -= 1;
        result
    }

    /// Whether what comes next can go on a list with commas.
    fn at_list_end(&self) -> bool {
        use Kind::*;
        matches!(
            self.peek(),
            RightParenthesis | RightBracket | RightBrace | Newline | End | Equal | Colon | In
        )
    }

    /// The rest of a list after its first item; a tuple if there is a comma.
    fn tuple_after(&mut self, first: Expr, item: fn(&mut Self) -> Parsed) -> Parsed {
        if self.peek() != Kind::Comma {
            return Ok(first);
        }
        let mut items = vec![first];
        while self.accept(Kind::Comma) && !self.at_list_end() {
            items.push(item(self)?);
        }
        Ok(Expr::Tuple(items))
    }

    fn expressions(&mut self) -> Parsed {
        let first = self.expression()?;
        self.tuple_after(first, Self::expression)
    }

    fn star_expressions(&mut self) -> Parsed {
        let starred = self.peek() == Kind::Star;
        let first = self.star_expression()?;
        if starred && self.peek() != Kind::Comma {
            return self.fail("a starred expression alone");
        }
        self.tuple_after(first, Self::star_expression)
    }

    fn star_expression(&mut self) -> Parsed {
        if self.peek() == Kind::Star { self.star_bitwise() } else { self.expression() }
    }

    fn star_named_expression(&mut self) -> Parsed {
        if self.peek() == Kind::Star { self.star_bitwise() } else { self.named_expression() }
    }

    fn star_bitwise(&mut self) -> Parsed {
        self.advance();
        self.nested(|parser| Ok(Expr::Starred(Box::new(parser.binary(0)?))))
    }

    fn named_expression(&mut self) -> Parsed {
        if self.peek() == Kind::Name && self.peek_after() == Kind::Walrus {
            let target = self.name()?;
            self.advance();
            let value = Box::new(self.expression()?);
            return Ok(Expr::Named { target, value });
        }
        self.expression()
    }

    fn expression(&mut self) -> Parsed {
        self.nested(|parser| {
            if parser.peek() == Kind::Lambda {
                return parser.lambda();
            }
            let body = parser.disjunction()?;
            if !parser.accept(Kind::If) {
                return Ok(body);
            }
            let test = Box::new(parser.disjunction()?);
            parser.expect(Kind::Else, "a condition without else")?;
            let otherwise = Box::new(parser.expression()?);
            Ok(Expr::Conditional { test, body: Box::new(body), otherwise })
        })
    }

    fn lambda(&mut self) -> Parsed {
        self.advance();
        let mut parameters = Parameters::default();
        let mut after_star = false;
        let mut slash = false;
        while self.peek() != Kind::Colon {
            match self.peek() {
                _ if parameters.keywords.is_some() => return self.fail("a parameter after **"),
                Kind::Slash if !after_star && !slash && !parameters.positional.is_empty() => {
                    self.advance();
                    slash = true;
                    parameters.positional_only = parameters.positional.len();
                }
                Kind::Star if !after_star => {
                    self.advance();
                    after_star = true;
                    if self.peek() == Kind::Name {
                        parameters.rest = Some(self.name()?);
                    } else if self.peek() != Kind::Comma || self.peek_after() != Kind::Name {
                        return self.fail("a star without a named parameter after it");
                    }
                }
                Kind::DoubleStar => {
                    self.advance();
                    parameters.keywords = Some(self.name()?);
                }
                _ => {
                    let name = self.name()?;
                    let default = if self.accept(Kind::Equal) { Some(self.expression()?) } else { None };
                    if after_star {
                        parameters.keyword_only.push(Parameter { name, default });
                    } else if default.is_none()
                        && parameters.positional.last().is_some_and(|p| p.default.is_some())
                    {
                        return self.fail("a parameter without a default after one with it");
                    } else {
                        parameters.positional.push(Parameter { name, default });
                    }
                }
            }
            if self.peek() != Kind::Colon {
                self.expect(Kind::Comma, "parameters without a comma between them")?;
            }
        }
        self.advance();
        let body = Box::new(self.expression()?);
        Ok(Expr::Lambda { parameters: Box::new(parameters), body })
    }

    fn disjunction(&mut self) -> Parsed {
        let first = self.conjunction()?;
        if self.peek() != Kind::Or {
            return Ok(first);
        }
        let mut values = vec![first];
        while self.accept(Kind::Or) {
            values.push(self.conjunction()?);
        }
        Ok(Expr::Or(values))
    }

    fn conjunction(&mut self) -> Parsed {
        let first = self.inversion()?;
        if self.peek() != Kind::And {
            return Ok(first);
        }
        let mut values = vec![first];
        while self.accept(Kind::And) {
            values.push(self.inversion()?);
        }
        Ok(Expr::And(values))
    }

    fn inversion(&mut self) -> Parsed {
        if self.accept(Kind::Not) {
            let operand = Box::new(self.nested(Self::inversion)?);
            return Ok(Expr::Unary { operator: Unary::Not, operand });
        }
        let left = self.binary(0)?;
        let mut rest = Vec::new();
        while let Some(comparison) = self.comparison()? {
            rest.push((comparison, self.binary(0)?));
        }
        Ok(if rest.is_empty() { left } else { Expr::Compare { left: Box::new(left), rest } })
    }

    fn comparison(&mut self) -> Parsed<Option<Comparison>> {
        let comparison = match self.peek() {
            Kind::EqualEqual => Comparison::Equal,
            Kind::NotEqual => Comparison::NotEqual,
            Kind::Less => Comparison::Less,
            Kind::LessEqual => Comparison::LessEqual,
            Kind::Greater => Comparison::Greater,
            Kind::GreaterEqual => Comparison::GreaterEqual,
            Kind::In => Comparison::In,
            Kind::Is if self.peek_after() == Kind::Not => {
                self.advance();
                Comparison::IsNot
            }
            Kind::Is => Comparison::Is,
            Kind::Not if self.peek_after() == Kind::In => {
                self.advance();
                Comparison::NotIn
            }
            _ => return Ok(None),
        };
        self.advance();
        Ok(Some(comparison))
    }

    /// Operators that bind at least as strongly as `level`, all of them to the left.
    fn binary(&mut self, level: u8) -> Parsed {
        let mut left = self.factor()?;
        let mut chain = 0;
        while let Some((operator, strength)) = binary_operator(self.peek())
            && strength >= level
        {
            self.advance();
            chain += 1;
            if self.depth + chain > MAX_DEPTH {
                return self.fail("an expression too deep");
            }
            let right = Box::new(self.binary(strength + 1)?);
            left = Expr::Binary { operator, left: Box::new(left), right };
        }
        Ok(left)
    }

    fn factor(&mut self) -> Parsed {
        let operator = match self.peek() {
            Kind::Plus => Unary::Plus,
            Kind::Minus => Unary::Minus,
            Kind::Tilde => Unary::Invert,
            _ => return self.power(),
        };
        self.advance();
        let operand = Box::new(self.nested(Self::factor)?);
        Ok(Expr::Unary { operator, operand })
    }

    fn power(&mut self) -> Parsed {
        let base =
            if self.accept(Kind::Await) { Expr::Await(Box::new(self.primary()?)) } else { self.primary()? };
        if !self.accept(Kind::DoubleStar) {
            return Ok(base);
        }
        let right = Box::new(self.nested(Self::factor)?);
        Ok(Expr::Binary { operator: Binary::Power, left: Box::new(base), right })
    }

    fn primary(&mut self) -> Parsed {
        let mut value = self.atom()?;
        let mut chain = 0;
        loop {
            match self.peek() {
                Kind::Dot => {
                    self.advance();
                    value = Expr::Attribute { value: Box::new(value), name: self.name()? };
                }
                Kind::LeftParenthesis => {
                    self.advance();
                    let (arguments, keywords) = self.nested(Self::arguments)?;
                    value = Expr::Call { function: Box::new(value), arguments, keywords };
                }
                Kind::LeftBracket => {
                    self.advance();
                    let index = Box::new(self.nested(Self::slices)?);
                    self.expect(Kind::RightBracket, "an index that is not closed")?;
                    value = Expr::Subscript { value: Box::new(value), index };
                }
                _ => return Ok(value),
            }
            chain += 1;
            if self.depth + chain > MAX_DEPTH {
                return self.fail("an expression too deep");
            }
        }
    }

    /// The arguments of a call, up to and with the closing parenthesis.
    fn arguments(&mut self) -> Parsed<(Vec<Expr>, Vec<Keyword>)> {
        let mut arguments = Vec::new();
        let mut keywords: Vec<Keyword> = Vec::new();
        let mut unpacked = false;
        while !self.accept(Kind::RightParenthesis) {
            match self.peek() {
                Kind::Star if unpacked => return self.fail("*arguments after **arguments"),
                Kind::Star => {
                    self.advance();
                    arguments.push(Expr::Starred(Box::new(self.expression()?)));
                }
                Kind::DoubleStar => {
                    self.advance();
                    unpacked = true;
                    keywords.push(Keyword { name: None, value: self.expression()? });
                }
                Kind::Name if self.peek_after() == Kind::Equal => {
                    let name = Some(self.name()?);
                    self.advance();
                    keywords.push(Keyword { name, value: self.expression()? });
                }
                _ if !keywords.is_empty() => return self.fail("a positional argument after a named one"),
                _ => {
                    let argument = self.named_expression()?;
                    if matches!(self.peek(), Kind::For | Kind::Async) {
                        let element = Box::new(argument);
                        let generator = Expr::Generator { element, clauses: self.clauses()? };
                        if !arguments.is_empty() || self.peek() != Kind::RightParenthesis {
                            return self.fail("a generator among other arguments without parentheses");
                        }
                        arguments.push(generator);
                    } else {
                        arguments.push(argument);
                    }
                }
            }
            if self.peek() != Kind::RightParenthesis {
                self.expect(Kind::Comma, "arguments without a comma between them")?;
            }
        }
        Ok((arguments, keywords))
    }

    fn slices(&mut self) -> Parsed {
        let starred = self.peek() == Kind::Star;
        let first = self.slice()?;
        if starred && self.peek() != Kind::Comma {
            return Ok(Expr::Tuple(vec![first]));
        }
        if self.peek() != Kind::Comma {
            return Ok(first);
        }
        let mut items = vec![first];
        while self.accept(Kind::Comma) && self.peek() != Kind::RightBracket {
            items.push(self.slice()?);
        }
        Ok(Expr::Tuple(items))
    }

    fn slice(&mut self) -> Parsed {
        if self.accept(Kind::Star) {
            return Ok(Expr::Starred(Box::new(self.expression()?)));
        }
        let lower = if self.peek() == Kind::Colon {
            None
        } else {
            let named = self.peek() == Kind::Name && self.peek_after() == Kind::Walrus;
            let value = self.named_expression()?;
            if self.peek() != Kind::Colon || named {
                return Ok(value);
            }
            Some(Box::new(value))
        };
        self.expect(Kind::Colon, "a slice without its colon")?;
        let bound = |parser: &mut Self| -> Parsed<Option<Box<Expr>>> {
            if matches!(parser.peek(), Kind::Colon | Kind::Comma | Kind::RightBracket) {
                Ok(None)
            } else {
                Ok(Some(Box::new(parser.expression()?)))
            }
        };
        let upper = bound(self)?;
        let step = if self.accept(Kind::Colon) { bound(self)? } else { None };
        Ok(Expr::Slice { lower, upper, step })
    }

    fn atom(&mut self) -> Parsed {
        let token = self.tokens[self.at];
        let constant = match token.kind {
            Kind::Name => return self.name().map(Expr::Name),
            Kind::String => return self.strings(),
            Kind::LeftParenthesis => return self.nested(Self::parenthesized),
            Kind::LeftBracket => return self.nested(Self::list),
            Kind::LeftBrace => return self.nested(Self::braces),
            Kind::None => Constant::None,
            Kind::True => Constant::Bool(true),
            Kind::False => Constant::Bool(false),
            Kind::Ellipsis => Constant::Ellipsis,
            Kind::Number => number(&self.source[token.start..token.end], token.start)?,
            _ => return self.fail("no expression where one must stand"),
        };
        self.advance();
        Ok(Expr::Constant(constant))
    }

    fn strings(&mut self) -> Parsed {
        let mut literals = Vec::new();
        while self.peek() == Kind::String {
            let token = self.advance();
            literals.push(Literal::split(&self.source[token.start..token.end], token.start));
        }
        let first = literals[0];
        if literals.iter().any(|literal| literal.bytes != first.bytes) {
            return self.fail("text beside bytes");
        }
        if first.bytes {
            let mut bytes = Vec::new();
            for literal in &literals {
                literal.decode_bytes(&mut bytes)?;
            }
            return Ok(Expr::Constant(Constant::Bytes(bytes.into())));
        }
        if literals.iter().any(|literal| literal.format) {
            return format_string::join(&literals, self.depth).map(Expr::FormatString);
        }
        let value = if literals.len() == 1 && (first.raw || !first.body.contains('\\')) {
            first.body.into()
        } else {
            let mut text = String::new();
            for literal in &literals {
                literal.decode_text(&mut text)?;
            }
            text.into()
        };
        Ok(Expr::Constant(Constant::Str { value, unicode: first.unicode }))
    }

    fn parenthesized(&mut self) -> Parsed {
        self.advance();
        if self.accept(Kind::RightParenthesis) {
            return Ok(Expr::Tuple(Vec::new()));
        }
        let value = if self.peek() == Kind::Yield {
            self.yielded()?
        } else {
            let starred = self.peek() == Kind::Star;
            let first = self.star_named_expression()?;
            if matches!(self.peek(), Kind::For | Kind::Async) && !starred {
                Expr::Generator { element: Box::new(first), clauses: self.clauses()? }
            } else if starred && self.peek() != Kind::Comma {
                return self.fail("a starred expression alone");
            } else {
                self.tuple_after(first, Self::star_named_expression)?
            }
        };
        self.expect(Kind::RightParenthesis, "a parenthesis that is not closed")?;
        Ok(value)
    }

    fn yielded(&mut self) -> Parsed {
        self.advance();
        if self.accept(Kind::From) {
            return Ok(Expr::YieldFrom(Box::new(self.expression()?)));
        }
        if self.peek() == Kind::RightParenthesis {
            return Ok(Expr::Yield(None));
        }
        Ok(Expr::Yield(Some(Box::new(self.star_expressions()?))))
    }

    fn list(&mut self) -> Parsed {
        self.advance();
        if self.accept(Kind::RightBracket) {
            return Ok(Expr::List(Vec::new()));
        }
        let starred = self.peek() == Kind::Star;
        let first = self.star_named_expression()?;
        let list = if matches!(self.peek(), Kind::For | Kind::Async) && !starred {
            Expr::ListComprehension { element: Box::new(first), clauses: self.clauses()? }
        } else {
            Expr::List(self.items_after(first)?)
        };
        self.expect(Kind::RightBracket, "a list that is not closed")?;
        Ok(list)
    }

    fn items_after(&mut self, first: Expr) -> Parsed<Vec<Expr>> {
        let mut items = vec![first];
        while self.accept(Kind::Comma) && !self.at_list_end() {
            items.push(self.star_named_expression()?);
        }
        Ok(items)
    }

    /// A set, a dictionary, or a comprehension of one.
    fn braces(&mut self) -> Parsed {
        self.advance();
        if self.accept(Kind::RightBrace) {
            return Ok(Expr::Dict(Vec::new()));
        }
        if self.peek() == Kind::DoubleStar {
            return self.dictionary(Vec::new());
        }
        let starred = self.peek() == Kind::Star;
        let named = self.peek_after() == Kind::Walrus;
        let first = self.star_named_expression()?;
        if !starred && !named && self.accept(Kind::Colon) {
            let value = self.expression()?;
            if matches!(self.peek(), Kind::For | Kind::Async) {
                let clauses = self.clauses()?;
                self.expect(Kind::RightBrace, "a dictionary that is not closed")?;
                return Ok(Expr::DictComprehension { key: Box::new(first), value: Box::new(value), clauses });
            }
            if self.peek() != Kind::RightBrace {
                self.expect(Kind::Comma, "members without a comma between them")?;
            }
            return self.dictionary(vec![(Some(first), value)]);
        }
        let set = if matches!(self.peek(), Kind::For | Kind::Async) && !starred {
            Expr::SetComprehension { element: Box::new(first), clauses: self.clauses()? }
        } else {
            Expr::Set(self.items_after(first)?)
        };
        self.expect(Kind::RightBrace, "a set that is not closed")?;
        Ok(set)
    }

    /// The members of a dictionary after those read so far, up to and with the closing brace.
    fn dictionary(&mut self, mut members: Vec<(Option<Expr>, Expr)>) -> Parsed {
        while !self.accept(Kind::RightBrace) {
            if self.accept(Kind::DoubleStar) {
                members.push((None, self.nested(|parser| parser.binary(0))?));
            } else {
                let key = self.expression()?;
                self.expect(Kind::Colon, "a key without a value")?;
                members.push((Some(key), self.expression()?));
            }
            if self.peek() != Kind::RightBrace {
                self.expect(Kind::Comma, "members without a comma between them")?;
            }
        }
        Ok(Expr::Dict(members))
    }

    fn clauses(&mut self) -> Parsed<Vec<Clause>> {
        let mut clauses = Vec::new();
        while matches!(self.peek(), Kind::For | Kind::Async) {
            let is_async = self.accept(Kind::Async);
            self.expect(Kind::For, "async without for")?;
            let first = self.star_target()?;
            let target = self.tuple_after(first, Self::star_target)?;
            if matches!(target, Expr::Starred(_)) {
                return self.fail("a starred target alone");
            }
            self.expect(Kind::In, "a comprehension without in")?;
            let iterable = self.disjunction()?;
            let mut conditions = Vec::new();
            while self.accept(Kind::If) {
                conditions.push(self.disjunction()?);
            }
            clauses.push(Clause { is_async, target, iterable, conditions });
        }
        Ok(clauses)
    }

    fn star_target(&mut self) -> Parsed {
        let starred = self.accept(Kind::Star);
        let at = self.at;
        let target = self.primary()?;
        if !is_target(&target) {
            self.at = at;
            return self.fail("a target that cannot be assigned to");
        }
        Ok(if starred { Expr::Starred(Box::new(target)) } else { target })
    }
}

fn binary_operator(kind: Kind) -> Option<(Binary, u8)> {
    Some(match kind {
        Kind::Bar => (Binary::Or, 0),
        Kind::Caret => (Binary::Xor, 1),
        Kind::Ampersand => (Binary::And, 2),
        Kind::ShiftLeft => (Binary::ShiftLeft, 3),
        Kind::ShiftRight => (Binary::ShiftRight, 3),
        Kind::Plus => (Binary::Add, 4),
        Kind::Minus => (Binary::Subtract, 4),
        Kind::Star => (Binary::Multiply, 5),
        Kind::Slash => (Binary::Divide, 5),
        Kind::DoubleSlash => (Binary::FloorDivide, 5),
        Kind::Percent => (Binary::Modulo, 5),
        Kind::At => (Binary::MatrixMultiply, 5),
        _ => return None,
    })
}
