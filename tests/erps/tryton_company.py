"""Fills an empty Tryton database with a small company that sells: run by the Python that has trytond, never by ours.

    TRYTOND_DATABASE_URI=postgresql://USER@HOST:PORT/DATABASE python tests/erps/tryton_company.py LOGIN PASSWORD SHOP

Tables and modules first, then what an operator sets up by hand (docs/guides/tryton.md): a company with its chart of
accounts, this year's and next year's periods, two rates of tax, products with stock, the web shop that orders are
booked in, and the user that Kept signs in as, with no more rights than it needs.
"""

from __future__ import annotations

import datetime
import os
import subprocess
import sys
import tempfile
from decimal import Decimal
from pathlib import Path

from proteus import Model, config
from trytond.modules.account.tests.tools import create_chart, create_fiscalyear, create_tax, get_accounts
from trytond.modules.account_invoice.tests.tools import create_payment_term, set_fiscalyear_invoice_sequences
from trytond.modules.company.tests.tools import create_company, get_company

MODULES = ["sale", "web_shop", "account_invoice_stock"]
STANDARD, REDUCED = Decimal("0.20"), Decimal("0.055")
STOCK = 1_000_000.0
# Code, type, rate of tax, saleable, stock. MANY has a price of its own in tests; LAST has three pieces.
PRODUCTS = [
    ("S1", "goods", STANDARD, True, STOCK),
    ("S2", "goods", REDUCED, True, STOCK),
    ("UNTAXED", "goods", None, True, STOCK),
    ("LAST", "goods", STANDARD, True, 3.0),
    ("UNSALEABLE", "goods", STANDARD, False, STOCK),
    ("SHIPPING", "service", STANDARD, True, 0.0),
    ("CHANNEL-TAX", "service", None, True, 0.0),
]
# The simulated world's catalogue and where its buyers live, without taxes, as a marketplace that collects them.
WORLD = [
    *((f"SKU-{number:04d}", "goods", None, True, STOCK) for number in range(1, 201)),
    ("POSTAGE", "service", None, True, 0.0),
]
COUNTRIES = [
    *("BR", "CA", "CN", "DE", "ES", "FR", "GB", "GR", "IE", "IL", "IN"),
    *("IS", "IT", "JP", "KR", "NZ", "PL", "SA", "UA", "US", "VN", "ZA"),
]
# Digits and worth.
CURRENCIES = {"USD": (2, Decimal("1.1")), "JPY": (0, Decimal(160))}
GROUPS = [
    ("sale", "group_sale"),
    ("sale", "group_sale_admin"),
    ("stock", "group_stock"),
    ("stock", "group_stock_force_assignment"),
    ("account", "group_account"),
]


def main(login: str, password: str, shop: str) -> None:
    uri = os.environ["TRYTOND_DATABASE_URI"]
    make_tables(uri)
    config.set_trytond(uri)
    create_company(currency="EUR")
    make_currencies()
    company = get_company()
    create_chart(company)
    open_years(company)
    categories = make_categories(company)
    make_products(categories)
    make_countries()
    set_defaults()
    make_shop(company, shop)
    make_user(company, login, password)


def make_tables(uri: str) -> None:
    with tempfile.NamedTemporaryFile("w") as first_password:
        first_password.write(os.urandom(12).hex())
        first_password.flush()
        subprocess.run(
            [
                *(Path(sys.executable).with_name("trytond-admin"), "-d", uri.rpartition("/")[2]),
                *(
                    "--administrator",
                    "--password",
                    "--email",
                    "admin@example.com",
                    "--activate-dependencies",
                    "-u",
                    *MODULES,
                ),
            ],
            env={**os.environ, "TRYTONPASSFILE": first_password.name},
            stdin=subprocess.DEVNULL,
            check=True,
        )


def open_years(company: Model) -> None:
    this_year = datetime.date.today().year
    for year in (this_year, this_year + 1):
        days = datetime.date(year, 1, 1), datetime.date(year, 12, 31)
        opened = set_fiscalyear_invoice_sequences(create_fiscalyear(company, today=days))
        opened.start_date, opened.end_date = days
        opened.save()
        opened.click("create_period")


def make_categories(company: Model) -> dict[Decimal | None, Model]:
    accounts = get_accounts(company)
    categories = {}
    for rate in (None, STANDARD, REDUCED):
        category = Model.get("product.category")(name=f"Taxed at {rate}", accounting=True)
        category.account_expense, category.account_revenue = accounts["expense"], accounts["revenue"]
        if rate is not None:
            tax = create_tax(rate, company)
            tax.save()
            category.customer_taxes.append(tax)
        category.save()
        categories[rate] = category
    return categories


def make_products(categories: dict[Decimal | None, Model]) -> None:
    (unit,) = Model.get("product.uom").find([("name", "=", "Unit")])
    (storage,) = Model.get("stock.location").find([("code", "=", "STO")])
    context = config.get_config().context
    # All in one call: one by one, two hundred take a minute.
    Model.get("product.template")._proxy.create(
        [
            {
                "name": f"Product {code}",
                "type": kind,
                "salable": saleable,
                "list_price": Decimal(10),
                "default_uom": unit.id,
                "sale_uom": unit.id,
                "account_category": categories[rate].id,
                "products": [("create", [{"suffix_code": code}])],
            }
            for code, kind, rate, saleable, _ in PRODUCTS + WORLD
        ],
        context,
    )
    made = {product.code: product.id for product in Model.get("product.product").find([])}
    counted = [{"product": made[code], "quantity": stock} for code, _, _, _, stock in PRODUCTS + WORLD if stock]
    inventories = Model.get("stock.inventory")._proxy
    inventory = inventories.create([{"location": storage.id, "lines": [("create", counted)]}], context)
    inventories.confirm(inventory, context)


def make_countries() -> None:
    countries = {}
    for code in COUNTRIES:
        countries[code] = Model.get("country.country")(name=f"Country {code}", code=code)
        countries[code].save()
    Model.get("country.subdivision")(country=countries["US"], name="California", code="US-CA", type="state").save()


def make_currencies() -> None:
    for code, (digits, worth) in CURRENCIES.items():
        currency = Model.get("currency.currency")(name=code, code=code, symbol=code, digits=digits)
        currency.rounding = Decimal(1).scaleb(-digits)
        currency.rates.new(date=datetime.date(2000, 1, 1), rate=worth)
        currency.save()


def set_defaults() -> None:
    term = create_payment_term()
    term.save()
    accounting = Model.get("account.configuration")(1)
    accounting.tax_rounding = "line"
    accounting.default_customer_payment_term = term
    accounting.save()
    selling = Model.get("sale.configuration")(1)
    selling.sale_invoice_method = "fulfillment"
    selling.save()


def make_shop(company: Model, name: str) -> None:
    (warehouse,) = Model.get("stock.location").find([("type", "=", "warehouse")])
    shop = Model.get("web.shop")(name=name, company=company, currency=company.currency)
    shop.warehouses.append(warehouse)
    shop.sale_draft_abandon_delay = datetime.timedelta(days=1)
    shop.save()


def make_user(company: Model, login: str, password: str) -> None:
    user = Model.get("res.user")(name="Kept", login=login, password=password)
    user.companies.append(company)
    user.company = company
    named = Model.get("ir.model.data")
    for module, name in GROUPS:
        user.groups.append(Model.get("res.group")(named.get_id(module, name, config.get_config().context)))
    user.save()


if __name__ == "__main__":
    main(*sys.argv[1:])
