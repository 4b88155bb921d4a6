//! Peers over MessagePorts: one port per pair of brokers carries all their connections.
//!
//! A message is `[tag, ArrayBuffer]`: one whole Kafka frame, transferred. The tag names the connection: twice the lane's
//! number, plus one when the frame is a response.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use bytes::Bytes;
use gloo_timers::callback::Timeout;
use js_sys::{Array, ArrayBuffer, Uint8Array};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{MessageEvent, MessagePort};

use crate::effects::Lane;

/// What the page has set for one direction of a link.
#[derive(Debug, Clone, Copy, Default)]
pub struct LinkFaults {
    /// Nothing gets through; nobody is told.
    pub cut: bool,
    /// Everything is this late.
    pub delay_ms: u32,
    /// This share of the frames is lost.
    pub loss_ratio: f64,
}

/// This broker's end of the link to another.
pub struct PeerLink {
    port: MessagePort,
    faults: Cell<LinkFaults>,
    /// Frames held back by a delay, in order.
    delayed: RefCell<VecDeque<Array>>,
    _on_message: Closure<dyn FnMut(MessageEvent)>,
}

impl PeerLink {
    /// Takes over a port; each frame that arrives goes to `receive` as (lane, is this an answer, frame).
    pub fn open(port: MessagePort, receive: impl Fn(Lane, bool, Bytes) + 'static) -> Rc<PeerLink> {
        let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
            if let Some((lane, answer, frame)) = read(&event.data()) {
                receive(lane, answer, frame);
            }
        });
        port.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        Rc::new(PeerLink {
            port,
            faults: Cell::default(),
            delayed: RefCell::default(),
            _on_message: on_message,
        })
    }

    /// Sets the faults of what this end sends.
    pub fn set_faults(&self, faults: LinkFaults) {
        self.faults.set(faults);
    }

    /// Sends a frame, as the faults allow.
    pub fn send(self: &Rc<Self>, lane: Lane, answer: bool, frame: &[u8]) {
        let faults = self.faults.get();
        if faults.cut || (faults.loss_ratio > 0.0 && js_sys::Math::random() < faults.loss_ratio) {
            return;
        }
        let tag = (lane as u8) * 2 + u8::from(answer);
        let buffer = Uint8Array::from(frame).buffer();
        let message = Array::of2(&JsValue::from(tag), &buffer);
        if faults.delay_ms == 0 && self.delayed.borrow().is_empty() {
            post(&self.port, &message);
            return;
        }
        self.delayed.borrow_mut().push_back(message);
        let link = Rc::clone(self);
        Timeout::new(faults.delay_ms, move || link.flush_delayed()).forget();
    }

    /// Sends the oldest frame held back. Each has a timer of its own, so one per call keeps the order.
    fn flush_delayed(&self) {
        let first = self.delayed.borrow_mut().pop_front();
        if let Some(message) = first {
            post(&self.port, &message);
        }
    }

    /// Closes this end.
    pub fn close(&self) {
        self.port.set_onmessage(None);
        self.port.close();
    }
}

fn post(port: &MessagePort, message: &Array) {
    let transfer = Array::of1(&message.get(1));
    // Fails only for what can't be cloned; an array of a number and a buffer can.
    let _ = port.post_message_with_transferable(message, &transfer);
}

fn read(data: &JsValue) -> Option<(Lane, bool, Bytes)> {
    let message: &Array = data.dyn_ref()?;
    let tag = message.get(0).as_f64()? as usize;
    let buffer: ArrayBuffer = message.get(1).dyn_into().ok()?;
    let lane = *Lane::ALL.get(tag / 2)?;
    Some((lane, tag % 2 == 1, Bytes::from(Uint8Array::new(&buffer).to_vec())))
}
