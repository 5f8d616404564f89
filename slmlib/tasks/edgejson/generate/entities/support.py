"""Support: faults in software, devices and subscriptions."""

from slmlib.tasks.edgejson.generate.entities import draw, entity
from slmlib.tasks.edgejson.generate.entities.fitting import papers
from slmlib.textgen.lexicon import words
from slmlib.textgen.sampling_context import SamplingContext

APPS = {  # app -> its parts
    "PocketLedger": words("invoice_export bank_import dashboard login_page receipt_scanner"),
    "RouteMate": words("map_view offline_maps voice_guidance trip_history search_box"),
    "ShelfScan": words("barcode_reader stock_list label_printing sync_service price_lookup"),
    "CareNotes": words(
        "patient_search dictation_window signature_pad medication_list print_preview"
    ),
    "FarmBook": words("field_map spray_diary weather_panel photo_upload animal_list"),
    "HomeDeck": words("scene_editor heating_schedule camera_view push_messages guest_access"),
    "ShiftBoard": words("calendar_view swap_requests time_clock holiday_planner pay_export"),
    "FleetPulse": words("fuel_report live_map driver_log alert_settings inspection_form"),
}
SYMPTOMS = words(
    "crashes freezes shows_a_blank_screen loses_the_last_entry loads_forever shows_the_wrong_date "
    "doubles_every_entry ignores_the_filter prints_empty_pages asks_for_the_password_again "
    "shows_old_data cuts_off_long_names"
)
DEVICES = (  # model, system, versions, storage
    ("iPhone 14", "ios", ("17.5", "18.1", "18.3"), (128, 256)),
    ("Galaxy A55", "android", ("14", "15"), (128, 256)), ("Pixel 8", "android", ("14", "15"),
    (128, 256)), ("ThinkPad T14", "windows", ("10", "11"), (256, 512, 1024)),
    ("MacBook Air", "macos", ("14.6", "15.2"), (256, 512)), ("iPad 10", "ios", ("17.5", "18.1"),
    (64, 256)), ("Latitude 5440", "windows", ("10", "11"), (256, 512)),
    ("Toughpad G2", "windows", ("10", "11"), (256, 512)), ("Zebra TC22", "android", ("13", "14"),
    (64, 128)), ("EliteBook 840", "windows", ("11",), (512, 1024)),
    ("Surface Go 4", "windows", ("11",), (128, 256)), ("Nokia XR21", "android", ("13", "14"),
    (128,)),
)  # fmt: skip
PLANS = (  # plan, cents a seat and month
    ("Starter", 490), ("Basic", 790), ("Team", 1190), ("Business", 1690), ("Professional", 2190),
    ("Enterprise", 2990), ("Lite", 390), ("Premium", 2490), ("Solo", 590), ("Campus", 290),
)  # fmt: skip
POLICIES = words(
    "field_staff office_default warehouse_scanner shared_tablet management_team visitor_kiosk "
    "driver_phone clinic_ward home_office point_of_sale"
)


@entity
def bug_report(ctx: SamplingContext) -> dict:
    """A user reports that a part of an app does something wrong."""
    app = ctx.one(tuple(APPS))
    return {
        "report_id": ctx.code("BUG-####"),
        "app": app,
        "version": f"{ctx.between(1, 9)}.{ctx.between(0, 14)}.{ctx.between(0, 9)}",
        "component": ctx.one(APPS[app]),
        "symptom": ctx.one(SYMPTOMS),
        "found_on": ctx.date().isoformat(),
        "severity": ctx.one(("cosmetic", "minor", "major", "blocker")),
        "users_affected": ctx.between(2, 240),
        "reproducible": ctx.chance(0.7),
        "sent_along": ctx.some(("screenshot", "log_file", "video", "sample_file"), 1, 3),
    }


@entity
def device_enrolment(ctx: SamplingContext) -> dict:
    """A phone, tablet or laptop is taken under the firm's management."""
    model, system, versions, sizes = ctx.one(DEVICES)
    day = ctx.date()
    return {
        "asset_tag": ctx.code("AT-#####"),
        "model": model,
        "system": system,
        "system_version": ctx.one(versions),
        "storage_gb": ctx.one(sizes),
        "enrolled_on": day.isoformat(),
        "policy": ctx.one(POLICIES),
        "assigned_to": ctx.person().name,
        "encrypted": ctx.chance(0.7),
        "handover_note": papers(ctx, ("contract", "delivery_note"), day)[0]
        | {"issued_on": day.isoformat()},
    }


@entity
def subscription_change(ctx: SamplingContext) -> dict:
    """A firm changes its plan; the monthly price is that of a seat times the seats."""
    (old, _), (new, cents) = ctx.some(PLANS, 2, 2)
    ordered, seats = ctx.date(), ctx.between(3, 90)
    start = ctx.later(ordered, 1, 45)
    payment = draw("payment", ctx) | {"amount": seats * cents / 100, "currency": ctx.place.currency}
    return {
        "account_no": ctx.code("AC-######"),
        "old_plan": old,
        "new_plan": new,
        "seats": seats,
        "seat_price": cents / 100,
        "monthly_price": seats * cents / 100,
        "currency": ctx.place.currency,
        "requested_on": ordered.isoformat(),
        "effective_on": start.isoformat(),
        "reason": ctx.one(("more_staff", "cost", "missing_feature", "merger", "trial_over")),
        "payment": payment | {"paid_on": ctx.later(start, 0, 9).isoformat()},
    }
