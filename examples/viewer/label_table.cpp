// The table model of labels.
#include "label_table.h"

#include <algorithm>

// Okabe and Ito's colours, which people with any kind of colour blindness can tell apart.
static const QRgb PALETTE[] = {0xffe69f00, 0xff56b4e9, 0xff009e73, 0xfff0e442, 0xff0072b2, 0xffd55e00, 0xffcc79a7};

static const int VALUES = 65536;

LabelTable::LabelTable(QObject *parent) : QAbstractTableModel(parent), lookup_(VALUES, 0)
{
}

const Label *LabelTable::find(quint16 value) const
{
    const auto found = std::find_if(labels_.begin(), labels_.end(), [&](const Label &l) { return l.value == value; });
    return found == labels_.end() ? nullptr : &*found;
}

void LabelTable::ensure(quint16 value, const QString &name)
{
    if (value == 0)
        return; // background: not painted, not drawn
    const QString number = QString::number(value);
    const auto place =
        std::lower_bound(labels_.begin(), labels_.end(), value, [](const Label &l, quint16 v) { return l.value < v; });
    const int row = static_cast<int>(place - labels_.begin());
    if (place != labels_.end() && place->value == value) {
        if (place->name == QStringLiteral("Label ") + number && !name.isEmpty() && name != number) {
            place->name = name;
            changed(row);
        }
        return;
    }
    beginInsertRows({}, row, row);
    const QColor colour(PALETTE[(value - 1) % std::size(PALETTE)]);
    const bool named = !name.isEmpty() && name != number;
    labels_.insert(row, {value, named ? name : QStringLiteral("Label ") + number, colour, true, 50});
    endInsertRows();
    changed(row);
}

int LabelTable::add()
{
    quint16 value = 1;
    while (find(value))
        ++value;
    ensure(value, QString());
    return static_cast<int>(find(value) - labels_.constData());
}

void LabelTable::changed(int row)
{
    const Label &label = labels_.at(row);
    const int alpha = label.visible ? label.opacity * 255 / 100 : 0;
    lookup_[label.value] = qPremultiply(qRgba(label.colour.red(), label.colour.green(), label.colour.blue(), alpha));
    emit dataChanged(index(row, 0), index(row, Columns - 1));
    emit looksChanged();
}

void LabelTable::setColour(int row, const QColor &colour)
{
    labels_[row].colour = colour;
    changed(row);
}

void LabelTable::setVisible(int row, bool visible)
{
    labels_[row].visible = visible;
    changed(row);
}

int LabelTable::rowCount(const QModelIndex &parent) const
{
    return parent.isValid() ? 0 : static_cast<int>(labels_.size());
}

int LabelTable::columnCount(const QModelIndex &parent) const
{
    return parent.isValid() ? 0 : Columns;
}

QVariant LabelTable::data(const QModelIndex &index, int role) const
{
    const Label &label = labels_.at(index.row());
    if (role == Qt::CheckStateRole && index.column() == Name)
        return label.visible ? Qt::Checked : Qt::Unchecked;
    if (role == Qt::DecorationRole && index.column() == Name)
        return label.colour;
    if (role == Qt::EditRole || role == Qt::DisplayRole) {
        if (index.column() == Name)
            return label.name;
        if (index.column() == Value)
            return label.value;
        return role == Qt::EditRole ? QVariant(label.opacity) : QVariant(QStringLiteral("%1 %").arg(label.opacity));
    }
    return {};
}

QVariant LabelTable::headerData(int section, Qt::Orientation orientation, int role) const
{
    static const char *const names[] = {"Label", "Value", "Opacity"};
    if (orientation != Qt::Horizontal || role != Qt::DisplayRole)
        return {};
    return tr(names[section]);
}

bool LabelTable::setData(const QModelIndex &index, const QVariant &value, int role)
{
    Label &label = labels_[index.row()];
    if (role == Qt::CheckStateRole)
        label.visible = value.toInt() == Qt::Checked;
    else if (role == Qt::EditRole && index.column() == Name && !value.toString().trimmed().isEmpty())
        label.name = value.toString().trimmed();
    else if (role == Qt::EditRole && index.column() == Opacity)
        label.opacity = std::clamp(value.toInt(), 0, 100);
    else
        return false;
    changed(index.row());
    return true;
}

Qt::ItemFlags LabelTable::flags(const QModelIndex &index) const
{
    Qt::ItemFlags flags = QAbstractTableModel::flags(index);
    if (index.column() == Name)
        flags |= Qt::ItemIsUserCheckable | Qt::ItemIsEditable;
    if (index.column() == Opacity)
        flags |= Qt::ItemIsEditable;
    return flags;
}
