//! Members within an area: GEOSEARCH, GEOSEARCHSTORE, and the older GEORADIUS with its variants.

use super::found::Found;
use super::{Unit, point, point_of_member};
use crate::commands::framework::arguments::{at_least, float_or, integer};
use crate::commands::framework::{CommandError, CommandResult, ReadCtx, WriteCtx, require_memory};
use crate::keyspace::{Entry, EventClass, Touch};
use crate::resp::Args;
use crate::structures::geohash::{Area, Point, Search};
use crate::types::zset::{ZsetValue, ZsetView};

/// How a command says where to look, and whether it can store what it finds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Form {
    /// `key longitude latitude radius unit`.
    Radius { stores: bool },
    /// `key member radius unit`.
    RadiusByMember { stores: bool },
    /// `key`, and the rest by options.
    Search,
    /// `destination key`, and the rest by options.
    SearchStore,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Order {
    Nearest,
    Farthest,
}

/// Which facts about each member are answered.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Facts {
    pub distance: bool,
    pub hash: bool,
    pub coordinates: bool,
}

/// Where to look for members. There is no place to begin from when it was to be a member's, and there is no key.
#[derive(Clone, Copy, Debug)]
enum Origin {
    Coordinates(Point),
    Member(Option<Point>),
}

/// What one command asks for, as far as it has been read.
#[derive(Debug)]
struct Query<'a> {
    form: Form,
    origin: Option<Origin>,
    area: Option<Area>,
    unit: Unit,
    facts: Facts,
    order: Option<Order>,
    count: Option<usize>,
    any: bool,
    destination: Option<&'a [u8]>,
    stores_distance: bool,
}

pub fn georadius(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    change(ctx, args, Form::Radius { stores: true })
}

pub fn georadius_ro(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    read(ctx, args, Form::Radius { stores: false })
}

pub fn georadiusbymember(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    change(ctx, args, Form::RadiusByMember { stores: true })
}

pub fn georadiusbymember_ro(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    read(ctx, args, Form::RadiusByMember { stores: false })
}

pub fn geosearch(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    read(ctx, args, Form::Search)
}

pub fn geosearchstore(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    change(ctx, args, Form::SearchStore)
}

fn read(ctx: &mut ReadCtx<'_>, args: Args<'_>, form: Form) -> CommandResult {
    let zset = ctx.view::<ZsetValue>(args.arg(1))?;
    let query = Query::parse(args, form, zset)?;
    let found = query.run(zset)?;
    found.write(ctx.reply, query.facts, query.unit);
    Ok(())
}

fn change(ctx: &mut WriteCtx<'_>, args: Args<'_>, form: Form) -> CommandResult {
    let source = args.arg(if form == Form::SearchStore { 2 } else { 1 });
    ctx.expire_keys([source]);
    let entry = ctx.keyspace.find(ctx.session.db, source, ctx.now.unix_ms, Touch::Yes);
    let zset = entry.map(Entry::view::<ZsetValue>).transpose()?;
    let query = Query::parse(args, form, zset)?;
    let found = query.run(zset)?;
    let Some(destination) = query.destination else {
        found.write(ctx.reply, query.facts, query.unit);
        return Ok(());
    };
    let event = if form == Form::SearchStore { "geosearchstore" } else { "georadiusstore" };
    require_memory(found.bytes_of_zset())?;
    let scores_unit = query.stores_distance.then_some(query.unit);
    let value = found.to_zset(scores_unit, ctx.limits);
    ctx.store(destination, value, EventClass::ZSET, event, found.len());
    ctx.reply.integer(found.len() as i64);
    Ok(())
}

impl<'a> Query<'a> {
    /// Reads the whole command line. A member to begin from is looked up on the way, so that what is wrong is
    /// reported in the order in which it is written.
    fn parse(args: Args<'a>, form: Form, zset: Option<ZsetView<'_>>) -> Result<Self, CommandError> {
        let mut query = Self {
            form,
            origin: None,
            area: None,
            unit: Unit::Metre,
            facts: Facts::default(),
            order: None,
            count: None,
            any: false,
            destination: None,
            stores_distance: false,
        };
        let mut rest = match form {
            Form::Radius { .. } => {
                query.origin = Some(Origin::Coordinates(point(args.arg(2), args.arg(3))?));
                query.set_circle(args.tail(4))?;
                args.tail(6)
            }
            // Without a key nothing of this is looked at.
            Form::RadiusByMember { .. } => {
                query.origin = Some(Origin::of_member(zset, args.arg(2))?);
                if zset.is_some() {
                    query.set_circle(args.tail(3))?;
                }
                args.tail(5)
            }
            Form::Search => args.tail(2),
            Form::SearchStore => {
                query.destination = Some(args.arg(1));
                args.tail(3)
            }
        };
        while !rest.is_empty() {
            let taken = query.option(rest, zset)?;
            rest = rest.tail(taken);
        }
        query.check(args.arg(0))?;
        Ok(query)
    }

    /// Reads one option with what belongs to it. Returns how many arguments these are.
    fn option(&mut self, args: Args<'a>, zset: Option<ZsetView<'_>>) -> Result<usize, CommandError> {
        let values = args.len() - 1;
        let searching = matches!(self.form, Form::Search | Form::SearchStore);
        let naming = matches!(self.form, Form::Radius { stores: true } | Form::RadiusByMember { stores: true });
        let from_coordinates = matches!(self.origin, Some(Origin::Coordinates(_)));
        let from_member = matches!(self.origin, Some(Origin::Member(_)));
        match args.arg(0).to_ascii_lowercase().as_slice() {
            b"withdist" => self.facts.distance = true,
            b"withhash" => self.facts.hash = true,
            b"withcoord" => self.facts.coordinates = true,
            b"any" => self.any = true,
            b"asc" => self.order = Some(Order::Nearest),
            b"desc" => self.order = Some(Order::Farthest),
            b"storedist" if self.form == Form::SearchStore => self.stores_distance = true,
            b"count" if values >= 1 => {
                self.count = Some(at_least(integer(args.arg(1))?, 1, CommandError::text("ERR COUNT must be > 0"))?);
                return Ok(2);
            }
            word @ (b"store" | b"storedist") if values >= 1 && naming => {
                self.destination = Some(args.arg(1));
                self.stores_distance = word == b"storedist";
                return Ok(2);
            }
            b"frommember" if values >= 1 && searching && !from_coordinates => {
                self.origin = Some(Origin::of_member(zset, args.arg(1))?);
                return Ok(2);
            }
            b"fromlonlat" if values >= 2 && searching && !from_member => {
                self.origin = Some(Origin::Coordinates(point(args.arg(1), args.arg(2))?));
                return Ok(3);
            }
            b"byradius" if values >= 2 && searching && !matches!(self.area, Some(Area::Rectangle { .. })) => {
                self.set_circle(args.tail(1))?;
                return Ok(3);
            }
            b"bybox" if values >= 3 && searching && !matches!(self.area, Some(Area::Circle { .. })) => {
                self.set_rectangle(args.tail(1))?;
                return Ok(4);
            }
            _ => return Err(CommandError::Syntax),
        }
        Ok(1)
    }

    /// Reads `radius unit`.
    fn set_circle(&mut self, args: Args<'_>) -> Result<(), CommandError> {
        let radius = float_or(args.arg(0), CommandError::text("ERR need numeric radius"))?;
        if radius < 0.0 {
            return Err(CommandError::text("ERR radius cannot be negative"));
        }
        self.unit = Unit::parse(args.arg(1))?;
        self.area = Some(Area::Circle { radius_m: radius * self.unit.metres() });
        Ok(())
    }

    /// Reads `width height unit`.
    fn set_rectangle(&mut self, args: Args<'_>) -> Result<(), CommandError> {
        let width = float_or(args.arg(0), CommandError::text("ERR need numeric width"))?;
        let height = float_or(args.arg(1), CommandError::text("ERR need numeric height"))?;
        if width < 0.0 || height < 0.0 {
            return Err(CommandError::text("ERR height or width cannot be negative"));
        }
        self.unit = Unit::parse(args.arg(2))?;
        let metres = self.unit.metres();
        self.area = Some(Area::Rectangle { width_m: width * metres, height_m: height * metres });
        Ok(())
    }

    /// Refuses what goes not together, and what is missing. `command` is the name as the client has written it.
    fn check(&self, command: &[u8]) -> Result<(), CommandError> {
        let exactly_one = |choice: &str| {
            let mut text = format!("ERR exactly one of {choice} can be specified for ").into_bytes();
            text.extend_from_slice(command);
            CommandError::Bytes(text)
        };
        if self.destination.is_some() && self.facts != Facts::default() {
            return Err(CommandError::text(match self.form {
                Form::SearchStore => {
                    "ERR GEOSEARCHSTORE is not compatible with WITHDIST, WITHHASH and WITHCOORD options"
                }
                _ => "ERR STORE option in GEORADIUS is not compatible with WITHDIST, WITHHASH and WITHCOORD options",
            }));
        }
        if self.origin.is_none() {
            return Err(exactly_one("FROMMEMBER or FROMLONLAT"));
        }
        if matches!(self.form, Form::Search | Form::SearchStore) && self.area.is_none() {
            return Err(exactly_one("BYRADIUS and BYBOX"));
        }
        if self.any && self.count.is_none() {
            return Err(CommandError::text("ERR the ANY argument requires COUNT argument"));
        }
        Ok(())
    }

    /// The members that are asked for. The nearest ones are meant where some are to be left out.
    fn run(&self, zset: Option<ZsetView<'_>>) -> Result<Found, CommandError> {
        let centre = match self.origin {
            Some(Origin::Coordinates(point) | Origin::Member(Some(point))) => point,
            Some(Origin::Member(None)) | None => return Ok(Found::default()),
        };
        let (Some(zset), Some(area)) = (zset, self.area) else { return Ok(Found::default()) };
        let enough = self.count.filter(|_| self.any).unwrap_or(usize::MAX);
        let mut found = Found::search(zset, Search { centre, area }, enough).ok_or(CommandError::NoMemory)?;
        let order = self.order.or((self.count.is_some() && !self.any).then_some(Order::Nearest));
        let count = self.count.unwrap_or(usize::MAX);
        match order {
            Some(order) => found.sort(order == Order::Farthest, count),
            None => found.truncate(count),
        }
        Ok(found)
    }
}

impl Origin {
    fn of_member(zset: Option<ZsetView<'_>>, member: &[u8]) -> Result<Self, CommandError> {
        let Some(zset) = zset else { return Ok(Self::Member(None)) };
        match point_of_member(zset, member) {
            Some(point) => Ok(Self::Member(Some(point))),
            None => Err(CommandError::text("ERR could not decode requested zset member")),
        }
    }
}
